package iptables_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"
)

// What Move plans leads to where Diff would have led, foretells the state, and
// its rollback leads back from everywhere.
func TestMoveIsDiff(t *testing.T) {
	pool := []rules.Member{}
	for _, p := range []string{"10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "2001:db8::1/128", "2001:db8::2/128", "0.0.0.0/0", "::/0"} {
		pool = append(pool, rules.Member{Prefix: netip.MustParsePrefix(p), Proto: netinfo.TCP, Port: 80})
	}
	some := rapid.Custom(func(t *rapid.T) []rules.Member {
		var ms []rules.Member
		for _, m := range pool {
			if rapid.Bool().Draw(t, "in") {
				ms = append(ms, m)
			}
		}
		return rules.SortMembers(ms)
	})
	rapid.Check(t, func(t *rapid.T) {
		o := iptables.Options{Variant: iptables.NFT}
		k := ruletest.NewKernel(o.Variant)
		set := rules.Set{Name: "web", Type: rules.HashNetPort, InPlace: true, Members: some.Draw(t, "before")}
		apply(t, k, lookup(set), o)
		before := state(t, k)
		old := set.Members
		set.Members = some.Draw(t, "after")
		gone, come := without(old, set.Members), without(set.Members, old)
		foretold := iptables.Share(before, lookup(set))
		before = state(t, k)
		p, ok := iptables.Move([]rules.Move{{Set: "web", Gone: gone, Come: come}}, foretold)
		if !ok {
			t.Fatal("it does not move")
		}
		if len(gone)+len(come) > 0 && p.Empty() {
			t.Fatal("nothing is planned")
		}
		if err := k.RunAll(all(p)); err != nil {
			t.Fatal(err)
		}
		after := state(t, k)
		if d := cmp.Diff(after, foretold, opts()...); d != "" {
			t.Fatalf("-kernel +foretold\n%s", d)
		}
		if rest := iptables.Diff(lookup(set), after, o); !rest.Empty() {
			t.Fatalf("not settled:\n%s", rest)
		}
		if err := k.RunAll(p.Rollback); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, state(t, k), opts()...); d != "" {
			t.Fatalf("going back (-before +after):\n%s", d)
		}
	})
}

func without(ms, others []rules.Member) []rules.Member {
	var out []rules.Member
	for _, m := range ms {
		found := false
		for _, o := range others {
			found = found || m == o
		}
		if !found {
			out = append(out, m)
		}
	}
	return out
}

// Where the kernel is not as the moves take it to be, nothing is planned.
func TestMoveRefuses(t *testing.T) {
	set := iptables.SetState{Name: "dockwall4-web", Type: "hash:net", Family: 4, MaxElem: 2, Members: members("10.0.0.1/32", "10.0.0.2/32")}
	odd := set
	odd.Odd = true
	for name, c := range map[string]struct {
		state iptables.SetState
		move  rules.Move
	}{
		"a set that is not there":           {set, rules.Move{Set: "db", Come: members("10.0.0.9/32")}},
		"a set that is full":                {set, rules.Move{Set: "web", Come: members("10.0.0.9/32")}},
		"a set made in another way":         {odd, rules.Move{Set: "web", Gone: members("10.0.0.1/32")}},
		"a member that is gone already":     {set, rules.Move{Set: "web", Gone: members("10.0.0.9/32")}},
		"a member that is there already":    {set, rules.Move{Set: "web", Gone: members("10.0.0.1/32"), Come: members("10.0.0.2/32")}},
		"a family of which there is no set": {set, rules.Move{Set: "web", Come: members("2001:db8::1/128")}},
	} {
		if p, ok := iptables.Move([]rules.Move{c.move}, iptables.State{Sets: []iptables.SetState{c.state}}); ok || !p.Empty() {
			t.Errorf("%s: it is moved: %+v", name, p)
		}
	}
}

// What is shared is equal, and is the ruleset's own.
func TestShare(t *testing.T) {
	set := rules.Set{Name: "web", Type: rules.HashNet, Members: members("10.0.0.1/32", "10.0.0.2/32", "2001:db8::1/128")}
	seen := iptables.State{Sets: []iptables.SetState{
		{Name: "dockwall4-web", Members: members("10.0.0.1/32", "10.0.0.2/32")}, {Name: "dockwall6-web", Members: members("2001:db8::2/128")}}}
	got := iptables.Share(seen, lookup(set))
	if d := cmp.Diff(seen, got, opts()...); d != "" {
		t.Errorf("-seen +shared\n%s", d)
	}
	if &got.Sets[0].Members[0] != &set.Members[0] || &got.Sets[1].Members[0] != &seen.Sets[1].Members[0] {
		t.Error("what is equal is not the ruleset's, or what is not is")
	}
}
