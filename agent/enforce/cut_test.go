package enforce

import (
	"testing"

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
