package enforce

import (
	"testing"

	"dockwall/rules/plan"
)

// The host was exposed where neither table judged what came to it.
func TestExposed(t *testing.T) {
	chain := func(family int, table string) plan.Change {
		return plan.Change{Kind: plan.ChangeChain, Family: family, Table: table, Chain: "DOCKWALL-INPUT"}
	}
	jump := func(family int, table, from string) plan.Change {
		return plan.Change{Kind: plan.ChangeJump, Family: family, Table: table, Chain: from}
	}
	for _, tt := range []struct {
		name    string
		changes []plan.Change
		guard   bool
		want    bool
	}{
		{"nothing", nil, true, false},
		{"filter flushed, the guard there", []plan.Change{chain(4, "filter"), jump(4, "filter", "INPUT"), chain(6, "filter")}, true, false},
		{"the guard flushed", []plan.Change{chain(4, "security"), chain(6, "security")}, true, false},
		{"each in another family", []plan.Change{chain(4, "filter"), chain(6, "security")}, true, false},
		{"both in IPv4", []plan.Change{jump(4, "filter", "INPUT"), jump(4, "security", "INPUT")}, true, true},
		{"both in IPv6", []plan.Change{chain(6, "filter"), chain(6, "security")}, true, true},
		{"filter flushed, and no guard", []plan.Change{jump(6, "filter", "INPUT")}, false, true},
		{"other jumps, and no guard", []plan.Change{jump(4, "filter", "FORWARD"), jump(4, "filter", "OUTPUT")}, false, false},
		{"members", []plan.Change{{Kind: plan.ChangeSet, Family: 4, Set: "dockwall4-a"}}, false, false},
	} {
		if got := exposed(plan.Plan{Changes: tt.changes}, tt.guard); got != tt.want {
			t.Errorf("%s: exposed %v, want %v", tt.name, got, tt.want)
		}
	}
}
