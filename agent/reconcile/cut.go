package reconcile

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/plan"
)

// starter is a Cutter that also ends connections which a packet with a false source
// may have made while no rules were in force.
type starter interface {
	AskFirst(rs rules.Ruleset, s netinfo.Snapshot)
}

// reopener is a Cutter that keeps what was cut closed until a ruleset allows it.
type reopener interface {
	// Closed reports whether anything is closed.
	Closed() bool
	AskReopen(rs rules.Ruleset, s netinfo.Snapshot)
}

// cut asks the cutter to look at connections after the plan has run.
func (c *cycle) cut(p plan.Plan, ruleset func() rules.Ruleset) {
	if c.o.Cutter == nil {
		return
	}
	if s, ok := c.o.Cutter.(starter); ok && !c.appliedOnce && hooks(p) {
		s.AskFirst(ruleset(), c.snapshot)
		return
	}
	if mayTighten(p, c.snapshot) {
		c.o.Cutter.Ask(ruleset(), c.snapshot)
		return
	}
	if r, ok := c.o.Cutter.(reopener); ok && len(p.Changes) > 0 && r.Closed() {
		r.AskReopen(ruleset(), c.snapshot)
	}
}

// hooks reports whether the plan puts a jump into a chain of others: until then
// packets passed by a chain of the ruleset.
func hooks(p plan.Plan) bool {
	return slices.ContainsFunc(p.Changes, func(ch plan.Change) bool { return ch.Kind == plan.ChangeJump && len(ch.New) > 0 })
}
