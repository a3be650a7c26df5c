package iptables_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"
)

// What opens comes last, and where something was closed for it at the same time,
// in whichever family, a moment after that.
func TestSetsThatOpenComeAfterThoseThatClose(t *testing.T) {
	member := func(addr string, port uint16) rules.Member {
		m := rules.Member{Prefix: netip.MustParsePrefix(addr)}
		if port != 0 {
			m.Proto, m.Port = netinfo.TCP, port
		}
		return m
	}
	ruleset := func(closed, opened []rules.Member) rules.Ruleset {
		rs := lookup(
			rules.Set{Name: "a-opens", Type: rules.HashNet, InPlace: true, After: "closes", Members: opened},
			rules.Set{Name: "closes", Type: rules.HashNetPort, InPlace: true, Members: closed},
			rules.Set{Name: "other", Type: rules.HashNet, InPlace: true, Members: opened})
		if err := rs.Validate(); err != nil {
			t.Fatal(err)
		}
		return rs
	}
	o := iptables.Options{Variant: iptables.NFT}
	for _, tc := range []struct {
		name           string
		closed, opened []rules.Member
		settles        bool
	}{
		{"both", []rules.Member{member("0.0.0.0/0", 80)}, []rules.Member{member("172.17.0.2/32", 0)}, true},
		{"both, in two families", []rules.Member{member("::/0", 80)}, []rules.Member{member("172.17.0.2/32", 0)}, true},
		{"closed alone", []rules.Member{member("0.0.0.0/0", 80)}, nil, false},
		{"opened alone", nil, []rules.Member{member("172.17.0.2/32", 0)}, false},
	} {
		k := ruletest.NewKernel(o.Variant)
		apply(t, k, ruleset(nil, nil), o)
		moves := []rules.Move{{Set: "a-opens", After: "closes", Come: tc.opened}, {Set: "closes", Come: tc.closed}, {Set: "other", Come: tc.opened}}
		moved, ok := iptables.Move(moves, iptables.Share(state(t, k), ruleset(nil, nil)))
		if !ok {
			t.Fatalf("%s: it does not move", tc.name)
		}
		for how, p := range map[string]plan.Plan{"moved": moved, "compared": iptables.Diff(ruleset(tc.closed, tc.opened), state(t, k), o)} {
			if p.Settles() != tc.settles {
				t.Errorf("%s, %s: it settles: %t\n%s", tc.name, how, p.Settles(), p)
			}
			if !tc.settles {
				continue
			}
			at := slices.IndexFunc(p.Steps, func(s plan.Step) bool { _, ok := s.Action.(plan.Settle); return ok })
			for i, s := range p.Steps {
				edit, _ := s.Action.(plan.EditSets)
				for _, op := range edit.Ops {
					if opens := op.Set == "dockwall4-a-opens"; op.Verb != plan.AddMembers || opens && i < at || !opens && op.Set[len("dockwall4-"):] != "closes" && i > at {
						t.Errorf("%s, %s: %s %s is step %d, and the pause %d", tc.name, how, op.Verb, op.Set, i, at)
					}
				}
			}
			// Another program empties the sets during the pause.
			disturbed := ruletest.NewKernel(o.Variant)
			apply(t, disturbed, ruleset(nil, nil), o)
			if err := disturbed.RunAll(p.Steps[:at]); err != nil {
				t.Fatal(err)
			}
			for _, set := range state(t, disturbed).Sets {
				if err := disturbed.RunAll([]plan.Step{{Action: plan.RestoreSets{Script: plan.Script{Body: "flush " + set.Name + "\n"}}}}); err != nil {
					t.Fatal(err)
				}
			}
			if err := disturbed.RunAll(p.Steps[at:]); err != nil {
				t.Fatal(err)
			}
			closes := slices.ContainsFunc(state(t, disturbed).Sets, func(s iptables.SetState) bool { return strings.HasSuffix(s.Name, "-closes") && len(s.Members) > 0 })
			if !closes {
				t.Errorf("%s, %s: emptied during the pause, what closes stays empty, and what opens does not", tc.name, how)
			}
		}
		if err := k.RunAll(all(moved)); err != nil {
			t.Fatal(err)
		}
		if rest := iptables.Diff(ruleset(tc.closed, tc.opened), state(t, k), o); !rest.Empty() {
			t.Errorf("%s: not settled:\n%s", tc.name, rest)
		}
	}
	// On a host that has no rules yet nothing is on its way.
	first := iptables.Diff(ruleset([]rules.Member{member("0.0.0.0/0", 80)}, []rules.Member{member("172.17.0.2/32", 0)}), state(t, ruletest.NewKernel(o.Variant)), o)
	if first.Settles() {
		t.Errorf("the first time it settles:\n%s", first)
	}
}
