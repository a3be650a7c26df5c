package iptables

import (
	"slices"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// diff is a comparison of what is wanted with what is seen.
type diff struct {
	state   State
	there   map[string]int // a set's name -> its place in state.Sets
	variant Variant
	leftOut Family       // 0: none
	edits   []*tableEdit // only those that have something to do
	wanted  []wantedSet  // gates are last
	sets    []setEdit    // in the same order: members come in it, and leave in reverse
	stale   []*SetState
	looked  map[string]bool // the sets that rules look at; nil if not found out yet
	opening []plan.Step     // the guard gives way to the new rules
}

// Diff plans the way from what is seen to the ruleset. Where a set's name is
// taken by one of another type, the plan ends with another name in use, and
// the plan after it with the right one.
//
// The guard denies what both the old rules and the new ones deny while the
// rules change: at no step has a packet to pass the two together, and at none
// is it unguarded.
func Diff(rs rules.Ruleset, s State, o Options) plan.Plan { return newDiff(rs, s, o).plan() }

// DiffAdvance is Diff, and Advance for when its plan has run: for the price of one
// where there is nothing to do.
func DiffAdvance(rs rules.Ruleset, s State, o Options) (p plan.Plan, advance func() State) {
	d := newDiff(rs, s, o)
	return d.plan(), d.advance
}

// Remove plans the way back to a kernel without any trace of ours. The bare
// FORWARD jump to DOCKER-USER that was put back for Docker is Docker's.
func Remove(s State) plan.Plan {
	p := newDiff(rules.Ruleset{}, s, Options{Variant: s.Variant, Guard: true}).plan()
	p.Steps = append(p.Steps, p.Cleanup...)
	p.Cleanup = nil
	return p
}

func newDiff(rs rules.Ruleset, s State, o Options) *diff {
	if o.Inline {
		rs = Inline(rs)
	}
	d := &diff{state: s, there: s.index(), variant: o.Variant, leftOut: o.LeftOut}
	rs = renameSets(rs, d.clashes(rs))
	for _, f := range o.families() {
		d.wanted = append(d.wanted, wantedSets(rs, f)...)
	}
	slices.SortStableFunc(d.wanted, wantedSet.compare)
	d.editSets()
	if !o.Guard {
		rs = withoutGuard(rs, o.Variant)
	}
	all := spell(rs)
	var early, guards, others []*tableEdit
	for _, f := range o.families() {
		filter := newEdit(o.Variant, f, tableFilter, s.table(f, tableFilter), all)
		guard := newEdit(o.Variant, f, tableGuard, s.table(f, tableGuard), all)
		d.widen(filter, guard, all)
		d.edits = append(d.edits, filter)
		early = append(early, newEdit(o.Variant, f, tableEarly, s.table(f, tableEarly), all))
		guards = append(guards, guard)
		for i := range s.tables(f) {
			if t := &s.tables(f)[i]; t.Name != tableFilter && t.Name != tableGuard && t.Name != tableEarly {
				others = append(others, newEdit(o.Variant, f, t.Name, t, spelt{}))
			}
		}
	}
	d.edits = slices.DeleteFunc(slices.Concat(d.edits, early, guards, others), (*tableEdit).none)
	return d
}

// withoutGuard leaves out what only the guard's table would hold. Where legacy
// has none, the guard of FORWARD stands in filter itself: engines before 28 take
// their jump to DOCKER-USER away for some milliseconds with each network.
func withoutGuard(rs rules.Ruleset, v Variant) rules.Ruleset {
	in, guarded := reached(rs, rules.StageFilter, rules.StageEarly), reached(rs, rules.StageGuard)
	var hooks []rules.Hook
	for _, h := range rs.Hooks {
		if h.Guard && v == Legacy && h.Base == rules.BaseForward {
			h.Guard = false
			for name := range rs.Reached(h.Chain) {
				in[name] = true
			}
		}
		if !h.Guard {
			hooks = append(hooks, h)
		}
	}
	rs.Hooks = hooks
	rs.Chains = slices.DeleteFunc(slices.Clone(rs.Chains), func(c rules.Chain) bool { return guarded[c.Name] && !in[c.Name] })
	return rs
}

func (d *diff) plan() plan.Plan {
	p := plan.Plan{Changes: d.changes(), Prepare: d.prepareSets(), Cleanup: d.destroySets()}
	p.Steps = append(d.shrinkSets(), d.opening...)
	for _, e := range d.edits {
		p.Steps = append(p.Steps, e.steps()...)
	}
	if d.variant == Legacy {
		p.Checks = d.checks()
	}
	if d.variant == NFT {
		pair(p.Steps)
	}
	p.Steps = append(p.Steps, d.growSets()...)
	if len(p.Steps)+len(p.Cleanup)+len(p.Prepare) > 0 {
		p.Rollback = d.rollback()
	}
	return p
}

// pair marks the steps that do to IPv6 what the one before does to IPv4. (Legacy's
// commands wait for each other anyway.)
func pair(steps []plan.Step) {
	writes := func(s plan.Step, f Family) bool {
		r, ok := s.Action.(plan.RestoreTable)
		return ok && r.Tool == NFT.Tool(f)
	}
	for i := range steps {
		steps[i].Beside = i > 0 && writes(steps[i-1], V4) && writes(steps[i], V6)
	}
}

// checks are the steps that write rules, changing nothing. With nftables they would
// find nothing that the steps themselves do not find before anything changes:
// a text is read to its end first, and whatever the kernel refuses it refuses with
// the transaction. Legacy commits one table after the other.
func (d *diff) checks() []plan.Step {
	var out []plan.Step
	for _, s := range d.opening {
		out = append(out, tried(s))
	}
	for _, e := range d.edits {
		out = append(out, tried(e.step(e.script(), "try the rules")))
	}
	return out
}

// tried is the step that only tests what this one writes.
func tried(s plan.Step) plan.Step {
	if r, ok := s.Action.(plan.RestoreTable); ok {
		r.Test = true
		s.Action = r
	}
	return s
}

func (d *diff) rollback() []plan.Step {
	out := d.undoBefore()
	for _, st := range d.opening {
		st.MayFail = true
		out = append(out, st)
	}
	for _, e := range d.edits {
		out = append(out, e.rollback()...)
	}
	return append(out, d.undoAfter()...)
}
