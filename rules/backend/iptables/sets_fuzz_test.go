package iptables_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"

	"github.com/google/go-cmp/cmp"
)

const savedSets = `create other hash:ip family inet hashsize 1024 maxelem 65536
add other 192.0.2.1
create dockwall4-office hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0x12345678
add dockwall4-office 203.0.113.0/24
add dockwall4-office 192.0.2.7
create dockwall6-ports hash:net,port family inet6 hashsize 2048 maxelem 131072
add dockwall6-ports 2001:db8::/32,tcp:443
add dockwall6-ports 2001:db8::7,udp:53
`

// FuzzParseSets: of what ipset prints, each set of ours is read with the
// members that stand in the text and no others, and writing what was read makes
// the same sets again.
func FuzzParseSets(f *testing.F) {
	f.Add(savedSets)
	f.Add("create dockwall4-x hash:net family inet maxelem 1 comment\nadd dockwall4-x 10.0.0.0/8 timeout 3\n")
	f.Fuzz(func(t *testing.T, text string) {
		sets, err := iptables.ParseSets(text)
		if err != nil {
			checkSetsError(t, text, err)
			return
		}
		members := 0
		for i, s := range sets {
			checkSet(t, s)
			members += len(s.Members)
			if slices.ContainsFunc(sets[:i], func(o iptables.SetState) bool { return o.Name == s.Name }) {
				t.Fatalf("%s is there twice", s.Name)
			}
		}
		if n := strings.Count("\n"+text, "\nadd dockwall"); members > n {
			t.Fatalf("%d members of %d", members, n)
		}
		again, err := iptables.ParseSets(printSets(sets))
		if err != nil {
			t.Fatalf("%v\n%s", err, printSets(sets))
		}
		if d := cmp.Diff(sets, again, cmp.Comparer(func(a, b rules.Member) bool { return a == b })); d != "" {
			t.Fatalf("(-first +second):\n%s", d)
		}
	})
}

func checkSet(t *testing.T, s iptables.SetState) {
	t.Helper()
	if !strings.HasPrefix(s.Name, "dockwall4-") && !strings.HasPrefix(s.Name, "dockwall6-") || strings.ContainsAny(s.Name, " \n") {
		t.Fatalf("%q is no set of ours", s.Name)
	}
	for i, m := range s.Members {
		if !m.Prefix.IsValid() || i > 0 && s.Members[i-1].Compare(m) >= 0 {
			t.Fatalf("%s holds %+v, which is not a member after the one before it", s.Name, m)
		}
	}
}

func checkSetsError(t *testing.T, text string, err error) {
	t.Helper()
	var line int
	if _, serr := fmt.Sscanf(err.Error(), "ipset save, line %d:", &line); serr != nil || line < 1 || line > 1+strings.Count(text, "\n") {
		t.Fatalf("%v, in a text of %d lines", err, 1+strings.Count(text, "\n"))
	}
}

// printSets writes sets as ipset does. What makes a set odd is not kept, only
// that it is.
func printSets(sets []iptables.SetState) string {
	var b strings.Builder
	for _, s := range sets {
		b.WriteString("create " + s.Name + spec(s) + "\n")
		for _, m := range s.Members {
			fmt.Fprintf(&b, "add %s %s", s.Name, m.Prefix)
			if m.Proto != 0 {
				fmt.Fprintf(&b, ",%s:%d", m.Proto, m.Port)
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

func spec(s iptables.SetState) string {
	if s.Type == "" {
		return ""
	}
	text := fmt.Sprintf(" %s maxelem %d", s.Type, s.MaxElem)
	if s.Family != 0 {
		text += " family " + map[int]string{4: "inet", 6: "inet6"}[s.Family]
	}
	if s.Odd {
		text += " odd odd"
	}
	return text
}
