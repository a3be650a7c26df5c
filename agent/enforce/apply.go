package enforce

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// apply brings the kernel to the ruleset.
func (t *Target) apply(ctx context.Context, rs rules.Ruleset, look bool, r *Result) error {
	if look || !t.belief.known() {
		if err := t.observe(ctx, rs, r); err != nil {
			return err
		}
	}
	p, next := t.difference(rs)
	r.Plan = p
	if p.Empty() {
		t.belief.enforced(&rs, next)
		return t.leaveOther(ctx)
	}
	if r.Repaired && exposed(p, !t.backend.chosen.Limits().Unguarded) {
		t.tighten()
		r.Tightened = true
	}
	if err := t.before(p); err != nil {
		return err
	}
	if err := t.o.Kernel.Run(ctx, p); err != nil {
		return t.blame(ctx, rs, p, err)
	}
	r.Ran, r.Changed = true, len(p.Changes) > 0
	t.belief.enforced(&rs, next)
	// Whether or not another program writes now: the next pass may find everything in
	// order, and ask for no cut.
	t.cut(p, func() rules.Ruleset { return rs })
	if touchesRules(p) {
		if err := t.verify(ctx, rs); err != nil {
			return err
		}
	}
	if r.Repaired {
		r.Repairs++
	}
	return t.leaveOther(ctx)
}

// difference is the plan to the ruleset, and the state that it leads to.
func (t *Target) difference(rs rules.Ruleset) (plan.Plan, backend.State) {
	if t.prepared != nil && t.prepared.next != nil {
		return t.prepared.plan, t.prepared.next
	}
	return t.backend.chosen.Diff(rs, t.belief.state)
}

// observe reads the kernel, and notes in what another program has changed it.
func (t *writer) observe(ctx context.Context, rs rules.Ruleset, r *Result) error {
	st, err := t.o.Kernel.Observe(ctx, t.backend.chosen)
	if err != nil {
		return fmt.Errorf("reading the kernel: %w", err)
	}
	r.Drift = t.drifted(st)
	r.Repaired = r.Drift != nil
	t.belief.read(st)
	return nil
}

// blame says whether a plan failed because the kernel had changed after it was
// read. Otherwise, and unless the error says so, the plan was rolled back, and the kernel
// was read to confirm it.
func (t *writer) blame(ctx context.Context, rs rules.Ruleset, p plan.Plan, err error) error {
	if _, lacks := plan.Lacks(err); lacks {
		return err
	}
	st, lookErr := t.o.Kernel.Observe(ctx, t.backend.chosen)
	if lookErr != nil {
		return fmt.Errorf("%w; %w: %w", err, ErrNotRead, lookErr)
	}
	if errors.Is(err, plan.ErrNotUndone) {
		return err
	}
	if now, _ := t.backend.chosen.Diff(rs, st); reflect.DeepEqual(now.Changes, p.Changes) {
		return err
	}
	return &Problem{finding.ContestedRules, fmt.Errorf("another program is writing at the same time: %w", err)}
}

// drifted returns in what the kernel is no longer as the last pass left it; nil if
// it is. A set that is merely left over is of no kind.
func (t *writer) drifted(st backend.State) []plan.ChangeKind {
	if !t.belief.succeeded || t.belief.ruleset == nil {
		return nil
	}
	p, _ := t.backend.chosen.Diff(*t.belief.ruleset, st)
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

// verify reads back what was written: a plan that does not lead where it says must
// be seen at once. For a process that ends now it is enough that no other program
// has written to the kernel.
func (t *writer) verify(ctx context.Context, rs rules.Ruleset) error {
	if t.o.Once && t.o.Prober != nil {
		if holds, err := t.o.Prober.Holds(ctx, t.belief.state); holds && err == nil {
			return nil
		}
	}
	st, err := t.o.Kernel.Observe(ctx, t.backend.chosen)
	if err != nil {
		return fmt.Errorf("reading the rules back: %w", err)
	}
	rest, next := t.backend.chosen.Diff(rs, st)
	t.belief.state = st
	if rest.Empty() {
		t.belief.state = next
	}
	if len(rest.Changes) > 0 {
		return &Problem{finding.ContestedRules, fmt.Errorf("the kernel does not hold what was written a moment ago (%d differences, first in %s%s): another program is writing at the same time",
			len(rest.Changes), rest.Changes[0].Chain, rest.Changes[0].Set)}
	}
	return nil
}

// touchesRules reports whether the plan writes more than members of sets.
func touchesRules(p plan.Plan) bool {
	return slices.ContainsFunc(p.Changes, func(ch plan.Change) bool { return ch.Kind != plan.ChangeSet })
}

// mayTighten reports whether a connection that was allowed may not be any more:
// rules changed, a container that lives on left a set, or one was there before
// its ports were closed. One that ended took its connections along.
func mayTighten(p plan.Plan, s netinfo.Snapshot) bool {
	if touchesRules(p) || p.Settles() {
		return true
	}
	var alive map[string]bool
	for _, ch := range p.Changes {
		if len(ch.Old) > 0 && alive == nil {
			alive = addresses(s)
		}
		for _, member := range ch.Old {
			if alive[member] {
				return true
			}
		}
	}
	return false
}

// addresses are those of the containers, as sets hold them.
func addresses(s netinfo.Snapshot) map[string]bool {
	all := map[string]bool{}
	for _, ct := range s.Containers {
		for _, e := range ct.Endpoints {
			for _, a := range e.Addrs {
				all[a.String()] = true
			}
		}
	}
	return all
}
