package enforce

import (
	"net/netip"
	"slices"
	"testing"

	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

func TestHooks(t *testing.T) {
	jump := plan.Change{Kind: plan.ChangeJump, Chain: "INPUT", New: []string{"-j X"}}
	gone := plan.Change{Kind: plan.ChangeJump, Chain: "INPUT", Old: []string{"-j X"}}
	set := plan.Change{Kind: plan.ChangeSet, Set: "s", New: []string{"192.0.2.1"}}
	for _, c := range []struct {
		changes []plan.Change
		want    bool
	}{{nil, false}, {[]plan.Change{set}, false}, {[]plan.Change{set, gone}, false}, {[]plan.Change{set, jump}, true}} {
		if got := hooks(plan.Plan{Changes: c.changes}); got != c.want {
			t.Errorf("%v: %v, want %v", c.changes, got, c.want)
		}
	}
}

// Without sets a rule names each source that the rules claim.
func TestClaimsOfRules(t *testing.T) {
	p := plan.Plan{Changes: []plan.Change{
		{Kind: plan.ChangeChain, Family: 4, Table: "raw", Chain: compile.ClaimingChain, Old: []string{"-A DOCKWALL-PREROUTING -s 10.7.0.0/24 -g DOCKWALL-SOURCES"},
			New: []string{"-A DOCKWALL-PREROUTING -s 10.8.0.0/24 -g DOCKWALL-SOURCES", "-A DOCKWALL-PREROUTING -i lo -j RETURN"}},
		{Kind: plan.ChangeChain, Family: 4, Table: "filter", Chain: "DOCKWALL-FORWARD", New: []string{"-A DOCKWALL-FORWARD -s 10.9.0.0/24 -j RETURN"}},
	}}
	if got, want := claims(p), []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24")}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
