package iptables_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"
)

// What iptables could not write, or would not find again, is named with its place.
func TestCheck(t *testing.T) {
	b := iptables.New(iptables.Options{})
	for want, change := range map[string]func(*rules.Ruleset){
		`chain "DOCKER": not a name`:             func(rs *rules.Ruleset) { rs.Chains[0].Name = "DOCKER" },
		`chain "DOCKWALL-": not a name`:          func(rs *rules.Ruleset) { rs.Chains[0].Name = "DOCKWALL-" },
		`"DOCKWALL-MADE-X": not a name`:          func(rs *rules.Ruleset) { rs.Chains[0].Name = "DOCKWALL-MADE-X" },
		"longer than 28 bytes":                   func(rs *rules.Ruleset) { rs.Chains[0].Name = "DOCKWALL-" + strings.Repeat("x", 20) },
		`set "t-x"`:                              func(rs *rules.Ruleset) { rs.Sets[0].Name = "t-x" },
		"at most 21 bytes":                       func(rs *rules.Ruleset) { rs.Sets[0].Name = strings.Repeat("s", 22) },
		"chain DOCKWALL-A, rule 1: iptables has": func(rs *rules.Ruleset) { rs.Chains[0].Rules[0].Match = []rules.Match{rules.OutBridge{}} },
		"rule 1: iptables has no such rule":      func(rs *rules.Ruleset) { rs.Chains[0].Rules[0].Verdict.Kind = rules.Unstamp },
		"hook FORWARD: the latch":                func(rs *rules.Ruleset) { rs.Hooks[0] = rules.Hook{Latch: true, Base: rules.BaseForward} },
	} {
		rs := rules.Ruleset{Chains: []rules.Chain{{Name: "DOCKWALL-A", Rules: []rules.Rule{{Verdict: rules.Verdict{Kind: rules.Drop}}}}},
			Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-A"}}, Sets: []rules.Set{{Name: "s", Type: rules.HashNet}}}
		if err := b.Check(rs); err != nil {
			t.Fatal(err)
		}
		change(&rs)
		if err := b.Check(rs); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if err := b.Check(ruletest.Rulesets().Draw(t, "ruleset")); err != nil {
			t.Fatal(err)
		}
	})
}
