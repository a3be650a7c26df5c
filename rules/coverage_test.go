package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"
)

// Every match and verdict of a compiled policy is generated, rendered and parsed. (That
// trace knows them all is tested in rules/trace, and those of the latch are rendered in
// rules/backend/nftables.)
func TestEverybodyKnowsTheSum(t *testing.T) {
	generated, parsed := map[string]bool{}, map[string]bool{}
	for seed := range 200 {
		rs := ruletest.Rulesets().Example(seed)
		collect(rs, generated)
		for _, f := range []iptables.Family{iptables.V4, iptables.V6} {
			collect(readBack(t, iptables.Render(rs, f, iptables.Options{}).Body), parsed)
		}
	}
	for _, m := range rules.PolicyMatches() {
		name := fmt.Sprintf("%T", m)
		if !generated[name] || !parsed[name] {
			t.Errorf("%s: generated %v, rendered and parsed %v", name, generated[name], parsed[name])
		}
	}
	for _, v := range rules.PolicyVerdicts() {
		if !generated[string(v)] || !parsed[string(v)] {
			t.Errorf("%s: generated %v, rendered and parsed %v", v, generated[string(v)], parsed[string(v)])
		}
	}
}

func collect(rs rules.Ruleset, seen map[string]bool) {
	for _, c := range rs.Chains {
		for _, r := range c.Rules {
			seen[string(r.Verdict.Kind)] = true
			for _, m := range r.Match {
				seen[fmt.Sprintf("%T", m)] = true
			}
		}
	}
}

func readBack(t *testing.T, text string) rules.Ruleset {
	t.Helper()
	var c rules.Chain
	for l := range strings.SplitSeq(text, "\n") {
		rest, ok := strings.CutPrefix(l, "-A ")
		if !ok {
			continue
		}
		name, rule, _ := strings.Cut(rest, " ")
		if strings.Contains(rule, `-i "`) || strings.Contains(rule, `-o "`) || strings.Contains(rule, `-in "`) {
			continue // quoted for feeding; printed text has no quotes there
		}
		r, err := iptables.ParseRule(name, rule)
		if err != nil {
			t.Fatal(err)
		}
		c.Rules = append(c.Rules, r)
	}
	return rules.Ruleset{Chains: []rules.Chain{c}}
}
