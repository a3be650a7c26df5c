package reconcile

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// apply brings the kernel to the ruleset.
func (c *cycle) apply(ctx context.Context, rs rules.Ruleset, due Due, r *result) error {
	if due&DueKernel != 0 || !c.known {
		st, err := c.o.Kernel.Observe(ctx, c.variant)
		if err != nil {
			return err
		}
		r.drift = c.drifted(st)
		r.repaired = r.drift != nil
		c.state, c.known = iptables.Share(st, rs), true
	}
	p, advance := iptables.DiffAdvance(rs, c.state, c.options)
	r.plan = p
	if p.Empty() {
		c.wanted, c.behind = &rs, false
		return c.leaveOther(ctx)
	}
	if r.repaired && exposed(p, c.options.Guard) {
		c.tighten()
		r.tightened = true
	}
	if err := c.o.Kernel.Run(ctx, p); err != nil {
		return c.blame(ctx, rs, p, err)
	}
	r.changed = len(p.Changes) > 0
	c.wanted, c.behind = &rs, false
	c.state = advance()
	// Whether or not somebody else writes now: the next pass may find all in order,
	// and nothing to ask for.
	c.cut(p, func() rules.Ruleset { return rs })
	if touchesRules(p) {
		if err := c.verify(ctx, rs); err != nil {
			return err
		}
	}
	if r.repaired {
		c.repairs++
	}
	return c.leaveOther(ctx)
}

// blame tells whether a plan could not be run because the kernel was not any more
// what it was made for. Else it is now as it was before.
func (c *cycle) blame(ctx context.Context, rs rules.Ruleset, p plan.Plan, err error) error {
	if _, lacks := plan.Lacks(err); lacks {
		return err
	}
	st, lookErr := c.o.Kernel.Observe(ctx, c.variant)
	if lookErr != nil || reflect.DeepEqual(iptables.Diff(rs, st, c.options).Changes, p.Changes) {
		return err
	}
	return problem{contested, fmt.Errorf("another program is writing at the same time: %w", err)}
}

// leaveOther takes what an earlier run wrote out of the variant that is not in
// use, once after each choice.
func (c *cycle) leaveOther(ctx context.Context) error {
	if !c.chosen {
		return nil
	}
	c.chosen = false
	return c.o.Backend.RemoveOther(ctx, c.variant)
}

// drifted tells in what the kernel is no longer as the last pass left it; nil:
// it is. Something that people are not shown, a set left over, is no kind.
func (c *cycle) drifted(st iptables.State) []plan.ChangeKind {
	if !c.appliedOnce || c.wanted == nil {
		return nil
	}
	p := iptables.Diff(*c.wanted, st, c.options)
	if p.Empty() {
		return nil
	}
	kinds := []plan.ChangeKind{}
	for _, kind := range plan.ChangeKinds() {
		if slices.ContainsFunc(p.Changes, func(ch plan.Change) bool { return ch.Kind == kind }) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// verify reads back what was written. A plan that does not lead where it says
// must be seen at once.
func (c *cycle) verify(ctx context.Context, rs rules.Ruleset) error {
	st, err := c.o.Kernel.Observe(ctx, c.variant)
	if err != nil {
		return err
	}
	c.state = iptables.Share(st, rs)
	if rest := iptables.Diff(rs, st, c.options); len(rest.Changes) > 0 {
		return problem{contested, fmt.Errorf("the kernel does not hold what was written a moment ago (%d differences, first in %s%s): another program is writing at the same time",
			len(rest.Changes), rest.Changes[0].Chain, rest.Changes[0].Set)}
	}
	return nil
}

// touchesRules tells whether the plan writes more than members of sets.
func touchesRules(p plan.Plan) bool {
	for _, ch := range p.Changes {
		if ch.Kind != plan.ChangeSet {
			return true
		}
	}
	return false
}

// mayTighten tells whether a connection that was allowed may not be any more:
// rules changed, a container that lives on left a set, or one was there before
// its ports were closed. One that ended took its connections along.
func mayTighten(p plan.Plan, s netinfo.Snapshot) bool {
	if touchesRules(p) || p.Settles() {
		return true
	}
	var alive map[string]bool
	for _, ch := range p.Changes {
		if len(ch.Old) > 0 && alive == nil {
			alive = map[string]bool{}
			for _, ct := range s.Containers {
				for _, e := range ct.Endpoints {
					for _, a := range e.Addrs {
						alive[a.String()] = true
					}
				}
			}
		}
		for _, member := range ch.Old {
			if alive[member] {
				return true
			}
		}
	}
	return false
}
