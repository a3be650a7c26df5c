package meaning_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules/compile"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/trace"
)

// What is gained one way is lost the other way, and nothing changes into
// itself.
func TestSymmetric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		a, _ := compile.Compile(policytest.Policy(t), s)
		b, _ := compile.Compile(policytest.Policy(t), s)
		if same := meaning.Compare(a, a, s, meaning.Options{}); len(same.Changes) > 0 {
			t.Fatalf("a ruleset differs from itself: %q", sentences(same))
		}
		there, back := meaning.Compare(a, b, s, meaning.Options{}), meaning.Compare(b, a, s, meaning.Options{})
		if d := cmp.Diff(atoms(there, true), atoms(back, false)); d != "" {
			t.Fatalf("gains there are not losses back (-there +back):\n%s", d)
		}
		if d := cmp.Diff(atoms(there, false), atoms(back, true)); d != "" {
			t.Fatalf("losses there are not gains back (-there +back):\n%s", d)
		}
	})
}

// atoms are the smallest things that the gains or losses say, which merging
// does not change.
func atoms(d meaning.Difference, gains bool) []string {
	var all []string
	for _, c := range d.Changes {
		if c.Gain != gains {
			continue
		}
		via := c.Via
		if len(via) == 0 {
			via = []string{"any"}
		}
		for _, f := range c.From {
			for _, v := range via {
				for _, to := range c.To {
					all = append(all, fmt.Sprint(f, "|", v, "|", to))
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Whoever is let through differently at a published port is told of: a change
// that names no sentence is one that no packet sees.
func TestSilenceIsSameness(t *testing.T) {
	silent := 0
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		p := policytest.Policy(t)
		q := p
		if len(p.Published) > 0 && rapid.Bool().Draw(t, "fewer") {
			q.Published = p.Published[1:]
		} else if len(p.Direct) > 0 && rapid.Bool().Draw(t, "less direct") {
			q.Direct = p.Direct[1:]
		} else if len(p.Egress) > 0 {
			q.Egress = p.Egress[1:]
		}
		a, _ := compile.Compile(p, s)
		b, _ := compile.Compile(q, s)
		d := meaning.Compare(a, b, s, meaning.Options{})
		if len(d.Changes) > 0 {
			return
		}
		silent++
		before, after := trace.New(a), trace.New(b)
		for range 20 {
			question := policytest.Question(t, s)
			if !looked(s, question) {
				continue
			}
			for _, way := range trace.Packets(s, question) {
				was, now := before.Run(way.Packet, way.Base), after.Run(way.Packet, way.Base)
				if was.Verdict != now.Verdict {
					t.Fatalf("%+v: %s, then %s, and no change is told", way.Question, was.Verdict, now.Verdict)
				}
			}
		}
	})
	if silent == 0 {
		t.Error("no case was silent: nothing was checked")
	}
}

// looked reports whether Compare looks at such questions: TCP and UDP, from outside
// addresses or from containers on their own bridge.
func looked(s netinfo.Snapshot, q policy.Question) bool {
	if q.Proto != netinfo.TCP && q.Proto != netinfo.UDP || q.NIC == "lo" || policy.Locate(s, q.Dest).Kind == policy.OffBridge || q.Dest.IsLoopback() {
		return false
	}
	from := policy.Locate(s, q.Source)
	bridge := slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Bridge == q.NIC && q.NIC != "" })
	if bridge {
		return from.Container != nil && from.Bridge == q.NIC
	}
	return from.Kind == policy.Elsewhere && !slices.ContainsFunc(s.Links, func(l netinfo.Link) bool { return l.Unplaced && l.Name == q.NIC })
}

// A big host takes a moment, and nothing is left out.
func TestBigHost(t *testing.T) {
	s := host()
	for i := range 1000 {
		a := netip.AddrFrom4([4]byte{172, 18, byte(1 + i/250), byte(1 + i%250)})
		s.Containers = append(s.Containers, netinfo.Container{ID: fmt.Sprint("x", i), Name: fmt.Sprint("app-", i), State: "running",
			Endpoints: []netinfo.Endpoint{{NetworkID: "1", Addrs: []netip.Addr{a}}},
			Ports:     []netinfo.PublishedPort{{HostPort: uint16(10000 + i), HostPortEnd: uint16(10000 + i), Proto: netinfo.TCP, ContainerPort: 80}}})
	}
	s.Normalize()
	var many []netip.Prefix
	for i := range 100_000 {
		many = append(many, netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(20 + i>>16), byte(i >> 8), byte(i), 0}), 24))
	}
	b := usual()
	b.Published = []*policy.Published{{Name: "all", From: policy.AddressList{Literals: many}, Origin: in("published.all", 1)}}
	a := b
	a.Published = []*policy.Published{{Name: "all", From: policy.AddressList{Literals: many[1:]}, Origin: in("published.all", 1)}}
	before, _ := compile.Compile(b, s)
	after, _ := compile.Compile(a, s)
	start := time.Now()
	d := meaning.Compare(before, after, s, meaning.Options{})
	t.Logf("%d containers, %d prefixes: %v", len(s.Containers), len(many), time.Since(start))
	if len(d.Changes) != 1 || !slices.Equal(d.Changes[0].From, []string{"20.0.0.0/24"}) || len(d.Changes[0].To) != 1001 || len(d.LeftOut) > 0 {
		t.Errorf("%q, left out %q", sentences(d), d.LeftOut)
	}
}

// Too much work is cut, and said.
func TestBounded(t *testing.T) {
	s := host()
	after, _ := compile.Compile(usual(), s)
	d := meaning.Compare(after, after, s, meaning.Options{Probes: 3})
	if len(d.LeftOut) != 1 {
		t.Errorf("left out: %q, want that there are too many", d.LeftOut)
	}
}
