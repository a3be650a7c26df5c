package kernel

import (
	"testing"
	"time"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/policy/policytest"

	"pgregory.net/rapid"
)

// The kernel takes what policies compile to, with sets and without, one after
// the other, and then there is nothing left to do.
func TestPolicies(t *testing.T) {
	for _, v := range variants() {
		t.Run(string(v), func(t *testing.T) {
			inNamespace(t)
			end := time.Now().Add(5 * time.Second)
			cases := 0
			rapid.Check(t, func(t *rapid.T) {
				if time.Now().After(end) && cases >= 10 {
					return
				}
				cases++
				rs, _ := compile.Compile(policytest.Policy(t), policytest.Snapshot(t))
				for _, inline := range []bool{false, true} {
					o := iptables.Options{Variant: v, Guard: true, Inline: inline}
					if err := runAll(all(iptables.Diff(rs, observe(t, v), o))); err != nil {
						t.Fatalf("%v", err)
					}
					for _, c := range iptables.Diff(rs, observe(t, v), o).Changes {
						t.Fatalf("not settled: %+v", c)
					}
				}
			})
		})
	}
}
