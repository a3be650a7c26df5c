package iptables_test

import (
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/policy/policytest"

	"pgregory.net/rapid"
)

// What policies compile to is shallow enough for the guard to hold old and new
// rules, one after the other, while they change.
func TestGuardHasRoomForTwo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs, _ := compile.Compile(policytest.Policy(t), policytest.Snapshot(t))
		if d := deepest(rs); 2*d > rules.MaxDepth {
			t.Fatalf("%d chains deep, and twice that is more than %d", d, rules.MaxDepth)
		}
	})
}

// deepest is how many chains a packet can be in, one called by the other.
func deepest(rs rules.Ruleset) int {
	var down func(chain string) int
	down = func(chain string) int {
		c, _ := rs.Chain(chain)
		d := 0
		for _, r := range c.Rules {
			if r.Verdict.Chain != "" {
				d = max(d, down(r.Verdict.Chain))
			}
		}
		return d + 1
	}
	d := 0
	for _, h := range rs.Hooks {
		d = max(d, down(h.Chain))
	}
	return d
}

// Filter holds no chain that only the guard enters by, whether there is a guard
// or not.
func TestFilterHasNoChainOfTheGuard(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs, _ := compile.Compile(policytest.Policy(t), policytest.Snapshot(t))
		o := iptables.Options{Variant: iptables.NFT, Guard: rapid.Bool().Draw(t, "guard")}
		k := newHost(t, o.Variant, "docker")
		apply(t, k, rs, o)
		for _, text := range []string{k.Save(4), k.Save(6), iptables.Render(rs, iptables.V4, iptables.Options{}).Body} {
			filter, _, _ := strings.Cut(text[strings.Index(text, "*filter"):], "COMMIT")
			if strings.Contains(filter, "-GUARD") || strings.Contains(text, "-GUARD") && !o.Guard {
				t.Fatalf("with guard %v:\n%s", o.Guard, text)
			}
		}
	})
}
