package kernel

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	backend "dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// docker is what an engine makes in the filter table.
const docker = `for f in iptables ip6tables; do printf '*filter
:INPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
-A INPUT -i lo -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER
-A DOCKER-USER -j RETURN
COMMIT
' | $f-nft-restore --noflush; done`

// natives are native rules of other programs, as their guides have people write them.
func natives() map[string]string {
	return map[string]string{
		"last in INPUT":            "nft add rule ip filter INPUT ct state established,related accept; nft add rule ip6 filter INPUT ct state established,related accept",
		"first in INPUT":           "nft insert rule ip filter INPUT ct state established,related accept; nft insert rule ip6 filter INPUT ct state established,related accept",
		"first in FORWARD":         "nft insert rule ip filter FORWARD ct state established,related accept",
		"around Docker's":          "nft insert rule ip filter DOCKER-USER fib daddr type local counter accept; nft add rule ip filter DOCKER-USER meta mark 5 accept",
		"with a set and a comment": `nft 'add set ip filter blackhole { type ipv4_addr; flags interval; elements = { 192.0.2.0/24 }; }'; nft 'insert rule ip filter INPUT ip saddr @blackhole drop comment "abuse"'; nft insert rule ip filter INPUT ct state invalid drop`,
		"a verdict map":            "nft insert rule ip filter INPUT ct state vmap '{ established : accept, related : accept, invalid : drop }'",
		"a base chain":             "nft 'add chain ip filter mine { type filter hook forward priority 10; }'; nft add rule ip filter mine ct state new accept",
		"a chain of its own":       "nft add chain ip filter theirs; nft add rule ip filter theirs ct state new limit rate 5/second accept; nft insert rule ip filter INPUT jump theirs",
		"in every table": `for f in ip ip6; do nft add table $f raw; nft "add chain $f raw PREROUTING { type filter hook prerouting priority raw; }"; nft add rule $f raw PREROUTING fib saddr . iif oif missing drop
			nft add table $f security; nft "add chain $f security FORWARD { type filter hook forward priority security; }"; nft "add chain $f security INPUT { type filter hook input priority security; }"; nft add rule $f security FORWARD ct state invalid drop; nft insert rule $f filter INPUT ct state invalid drop; done`,
	}
}

func ruleset(t *testing.T) string {
	t.Helper()
	return sh(t, `nft list ruleset | sed 's/counter packets [0-9]* bytes [0-9]*/counter/; s/^\t*[[:space:]]*/\t/'`)
}

// Native rules of other programs hide a table from iptables-save. dockwall's rules get in
// force beside them, whether they come before or after, and remove leaves them as they were.
func TestNativeRulesOfOtherPrograms(t *testing.T) {
	for name, add := range natives() {
		for _, first := range []bool{true, false} {
			when := map[bool]string{true: "before", false: "while it runs"}[first]
			t.Run(name+"/"+when, func(t *testing.T) { besideNative(t, add, first) })
		}
	}
}

func besideNative(t *testing.T, add string, first bool) {
	k := inNamespace(t)
	o := backend.Options{Variant: backend.NFT, Guard: true}
	sh(t, docker)
	clean := ""
	if first {
		sh(t, add)
		clean = ruleset(t)
	}
	rs := small()
	apply(t, k, rs, o)
	if !first {
		sh(t, add)
		apply(t, k, rs, o)
	}
	firstJumps(t)
	before, err := k.Observe(t.Context(), backend.NFT)
	must(t, err)
	if !holds(t, before, o) {
		t.Error("the ruleset is not in force")
	}
	other := small()
	other.Chains[0].Rules = other.Chains[0].Rules[1:]
	apply(t, k, other, o)
	sh(t, "nft insert rule ip filter INPUT ct state new accept")
	apply(t, k, other, o)
	firstJumps(t)
	sh(t, "nft delete rule ip filter INPUT handle $(nft -a list chain ip filter INPUT | sed -n 's/.*ct state new accept.* handle //p' | head -1)")
	if _, err := k.RemoveAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := ruleset(t)
	if first && after != clean {
		t.Errorf("before dockwall:\n%s\nand after remove:\n%s", clean, after)
	}
	if strings.Contains(strings.ToLower(after), "dockwall") {
		t.Errorf("remove leaves\n%s", after)
	}
}

// firstJumps checks that dockwall's jumps are the first rules, except those that drop.
func firstJumps(t *testing.T) {
	t.Helper()
	for _, f := range []string{"ip", "ip6"} {
		for chain, to := range map[string]string{"INPUT": "DOCKWALL-INPUT", "DOCKER-USER": "DOCKWALL-FORWARD", "FORWARD": "DOCKER-USER"} {
			_, text, _ := strings.Cut(sh(t, "nft list chain "+f+" filter "+chain), "chain "+chain+" {\n")
			first, rest, _ := strings.Cut(text, "\n")
			for strings.Contains(first, "type filter hook") || strings.HasSuffix(first, " drop") || strings.Contains(first, " drop comment ") {
				first, rest, _ = strings.Cut(rest, "\n")
			}
			if !strings.HasSuffix(first, "jump "+to) {
				t.Errorf("%s %s: %q is first", f, chain, first)
			}
		}
	}
}

func holds(t *testing.T, st backend.State, o backend.Options) bool {
	t.Helper()
	p := backend.Diff(small(), st, o)
	return p.Empty()
}

// A plan that fails beside native rules is rolled back to what was there.
func TestRollbackBesideNativeRules(t *testing.T) {
	k := inNamespace(t)
	o := backend.Options{Variant: backend.NFT, Guard: true}
	sh(t, docker)
	sh(t, "nft insert rule ip filter INPUT ct state established accept; nft insert rule ip filter FORWARD ct state established accept")
	apply(t, k, small(), o)
	sh(t, "nft insert rule ip filter INPUT ct state new accept")
	before := ruleset(t)
	st, err := k.Observe(t.Context(), backend.NFT)
	must(t, err)
	p := backend.Remove(st)
	p.Steps = append(p.Steps, plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*filter\n-A NO-SUCH-CHAIN\nCOMMIT\n"}}, Why: "fail"})
	if err := k.Run(t.Context(), p); err == nil {
		t.Fatal("a rule of a chain that is not there was accepted")
	}
	if after := ruleset(t); sorted(after) != sorted(before) {
		t.Errorf("-before +after going back:\n%s", cmp.Diff(sorted(before), sorted(after)))
	}
}

// sorted orders the lines, because a rollback makes chains again in another order.
func sorted(ruleset string) string {
	lines := strings.Split(ruleset, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// A native rule in one of dockwall's own chains is a change of its rules: they are written
// again.
func TestNativeRuleInAnOwnChain(t *testing.T) {
	k := inNamespace(t)
	o := backend.Options{Variant: backend.NFT, Guard: true}
	sh(t, docker)
	apply(t, k, small(), o)
	before := ruleset(t)
	sh(t, "nft insert rule ip filter DOCKWALL-INPUT ct state new accept")
	st, err := k.Observe(t.Context(), backend.NFT)
	must(t, err)
	if p := backend.Diff(small(), st, o); p.Empty() {
		t.Fatal("the rule is not seen")
	}
	apply(t, k, small(), o)
	if after := ruleset(t); after != before {
		t.Errorf("before:\n%s\nand after:\n%s", before, after)
	}
}

// Counters are read of tables that iptables-save does not print.
func TestCountersBesideNativeRules(t *testing.T) {
	k := inNamespace(t)
	apply(t, k, small(), backend.Options{Variant: backend.NFT, Guard: true})
	want, err := k.Counters(t.Context(), backend.NFT, backend.V4)
	must(t, err)
	sh(t, "nft insert rule ip filter INPUT ct state new accept")
	got, err := k.Counters(t.Context(), backend.NFT, backend.V4)
	must(t, err)
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("%d counters, want %d", len(got), len(want))
	}
	for i := range got {
		if i < len(want) && got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}
