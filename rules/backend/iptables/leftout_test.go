package iptables_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"
)

// TestFamilyLeftOut plans for one family of a host whose other one cannot be written: that
// one keeps its rules and the sets that they look at, and the state is foretold.
func TestFamilyLeftOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, o, _ := drawHost(t)
		rs := ruletest.Rulesets().Draw(t, "ruleset")
		if rapid.Bool().Draw(t, "written before") {
			apply(t, k, rs, o)
			rs = ruletest.Edited(rs).Draw(t, "edited")
		}
		left := rapid.SampledFrom([]iptables.Family{iptables.V4, iptables.V6}).Draw(t, "left out")
		o.LeftOut, o.Why = left, "its tools are missing"
		kept := func() string { return k.Save(int(left)) + setsOf(k, left) }
		before, have := kept(), state(t, k)
		apply(t, k, rs, o)
		if d := cmp.Diff(before, kept()); d != "" {
			t.Fatalf("IPv%d is left out, and changed (-before +after):\n%s", left, d)
		}
		after := state(t, k)
		if p := iptables.Diff(rs, after, o); !p.Empty() {
			t.Fatalf("not settled:\n%s", p)
		}
		if d := cmp.Diff(after, iptables.Advance(have, rs, o), opts()...); d != "" {
			t.Fatalf("Advance (-kernel +foretold):\n%s", d)
		}
		other := 10 - int(left)
		if !strings.Contains(k.Save(other), "DOCKWALL-") {
			t.Fatalf("IPv%d is not written:\n%s", other, k.Save(other))
		}
		o.LeftOut, o.Why = 0, ""
		apply(t, k, rs, o)
		if p := iptables.Diff(rs, state(t, k), o); !p.Empty() {
			t.Fatalf("with both families, not settled:\n%s", p)
		}
	})
}

// setsOf are the family's sets.
func setsOf(k *ruletest.Kernel, f iptables.Family) string {
	var b strings.Builder
	for line := range strings.Lines(k.SaveSets()) {
		if strings.Contains(line, " dockwall"+f.String()+"-") {
			b.WriteString(line)
		}
	}
	return b.String()
}
