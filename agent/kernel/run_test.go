package kernel

import (
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"dockwall/rules/plan"
)

func TestRunnerKnowsAllActions(t *testing.T) {
	k := New(hclog.NewNullLogger())
	for _, a := range plan.Actions() {
		if k.runner(plan.Step{Action: a}) == nil {
			t.Errorf("%T has no runner", a)
		}
	}
	if err := k.step(t.Context(), plan.Step{Why: "writing"}); err == nil || !strings.Contains(err.Error(), "no runner") {
		t.Errorf("a step without an action: %v", err)
	}
}

func TestTransactionsAreCounted(t *testing.T) {
	write := plan.Step{Action: plan.RestoreTable{}}
	p := plan.Plan{Prepare: []plan.Step{{Action: plan.RestoreSets{}}}, Checks: []plan.Step{write},
		Steps:   []plan.Step{write, write, {Action: plan.Settle{}}, {Action: plan.EditSets{}}},
		Cleanup: []plan.Step{{Action: plan.DeleteTable{}}}, Rollback: []plan.Step{write}}
	if n := transactions(p); n != 3 {
		t.Errorf("%d transactions, want 3: two tables written and one deleted", n)
	}
}
