package nftables_test

import (
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/backend/nftables"
	"dockwall/rules/ruletest"
)

var _ backend.Backend = nftables.Backend{}

// What cannot be written is an error with its place.
func TestCheck(t *testing.T) {
	rs := writable(ruletest.Rulesets().Example(1))
	if err := (nftables.Backend{}).Check(rs); err != nil {
		t.Fatal(err)
	}
	drop := rules.Verdict{Kind: rules.Drop}
	for want, rs := range map[string]rules.Ruleset{
		"chain A, rule 1: rules.InBridgePort": {Chains: []rules.Chain{{Name: "A", Rules: []rules.Rule{{Match: []rules.Match{rules.InBridgePort{Name: "veth0"}}, Verdict: drop}}}}},
		"there is no set s":                   {Chains: []rules.Chain{{Name: "A", Rules: []rules.Rule{{Match: []rules.Match{rules.InSet{Set: "s", Dims: []rules.Dim{rules.Src}}}, Verdict: drop}}}}},
		"the table's own chain":               {Chains: []rules.Chain{{Name: "forward"}}},
		"longer than 127":                     {Chains: []rules.Chain{{Name: strings.Repeat("x", 128)}}},
		"the latch is not of this table":      rules.Latch{}.Ruleset(),
	} {
		if err := (nftables.Backend{}).Check(rs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// Another line in the file changes comments alone, which is no change for people.
func TestLinesAreNoChange(t *testing.T) {
	rs := writable(ruletest.Rulesets().Example(3))
	_, have := nftables.Backend{}.Diff(rs, nil)
	for i := range rs.Chains {
		for j := range rs.Chains[i].Rules {
			rs.Chains[i].Rules[j].Origin.Line++
		}
	}
	p, next := nftables.Backend{}.Diff(rs, have)
	if len(p.Changes) > 0 || len(p.Steps) != 1 {
		t.Errorf("%d steps, changes %+v", len(p.Steps), p.Changes)
	}
	if p, _ := (nftables.Backend{}).Diff(rs, next); !p.Empty() {
		t.Error("not settled")
	}
}

// Every rule counts under its ID and its block.
func TestCounters(t *testing.T) {
	rs := writable(ruletest.Rulesets().Example(5))
	ids := map[string]bool{}
	for _, c := range rs.Chains {
		for _, r := range c.Rules {
			ids[c.Name+" "+r.ID()+" "+string(r.Verdict.Kind)] = true
		}
	}
	_, have := nftables.Backend{}.Diff(rs, nil)
	n := 0
	for _, c := range have.(nftables.State).Table.Chains {
		for _, r := range c.Rules {
			counter, ok := nftables.CounterOf(c.Name, r)
			if ok != (c.Hook == nil) || ok && !ids[counter.Chain+" "+counter.ID+" "+string(counter.Verdict)] {
				t.Errorf("%s: %s: %+v", c.Name, r, counter)
			}
			if len(r.Comment) > 127 {
				t.Errorf("the comment %q is too long", r.Comment)
			}
			n++
		}
	}
	if n < 3 {
		t.Errorf("%d rules: this shows nothing", n)
	}
}
