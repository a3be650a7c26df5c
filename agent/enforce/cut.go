package enforce

import (
	"slices"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// cut asks the cutter to look at connections after the plan has run.
func (t *Target) cut(p plan.Plan, ruleset func() rules.Ruleset) {
	if t.o.Cutter == nil {
		return
	}
	if c, ok := t.o.Cutter.(FirstCutter); ok && !t.belief.succeeded && hooks(p) {
		c.AskFirst(ruleset(), t.snapshot)
		return
	}
	if mayTighten(p, t.snapshot) {
		t.o.Cutter.Ask(ruleset(), t.snapshot)
		return
	}
	if c, ok := t.o.Cutter.(Reopener); ok && len(p.Changes) > 0 && c.Closed() {
		c.AskReopen(ruleset(), t.snapshot)
	}
}

// hooks reports whether the plan puts a jump into a chain of others: until then
// packets passed by a chain of the ruleset.
func hooks(p plan.Plan) bool {
	return slices.ContainsFunc(p.Changes, func(ch plan.Change) bool { return ch.Kind == plan.ChangeJump && len(ch.New) > 0 })
}
