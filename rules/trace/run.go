package trace

import (
	"fmt"

	"dockwall/rules"
)

// Run walks one packet through the ruleset, from base. For many packets make
// a Machine.
func Run(rs rules.Ruleset, p Packet, base rules.Base) Result { return New(rs).Run(p, base) }

// Run walks the packet through the chains that base's hooks in the filter
// table lead to; where base has hooks in the guard table only (FORWARD),
// through those. Without a hook the packet passes.
//
// A packet that came in (to FORWARD, DOCKER-USER or INPUT) has been through the
// chains of PREROUTING before.
func (m *Machine) Run(p Packet, base rules.Base) Result {
	return m.run(p, base, m.stage(base), true)
}

// RunGuard walks the packet through the chains that base's hooks in the guard
// table lead to.
func (m *Machine) RunGuard(p Packet, base rules.Base) Result {
	return m.run(p, base, rules.StageGuard, true)
}

// RunLatch walks the packet through the chains of a latch that base's hooks lead to.
func (m *Machine) RunLatch(p Packet, base rules.Base) Result {
	return m.run(p, base, rules.StageLatch, true)
}

// Verdict is Run without the Steps, for walks by the hundred thousand.
func (m *Machine) Verdict(p Packet, base rules.Base) Result {
	return m.run(p, base, m.stage(base), false)
}

// stage is where Run walks: filter, unless base has hooks in the guard table only.
func (m *Machine) stage(base rules.Base) rules.Stage {
	stage := rules.StageFilter
	for _, h := range m.hooks {
		switch {
		case h.Base != base || h.Latch:
		case !h.Guard:
			return rules.StageFilter
		default:
			stage = rules.StageGuard
		}
	}
	return stage
}

func (m *Machine) run(p Packet, base rules.Base, stage rules.Stage, record bool) Result {
	reason := m.broken
	if reason == "" {
		reason = p.check()
	}
	if reason != "" {
		return Result{Verdict: Undecided, Reason: reason}
	}
	w := walk{m: m, p: &p, stage: stage, record: record, result: Result{Verdict: Pass}}
	for _, h := range m.hooks {
		if h.Base == rules.BasePrerouting && base != rules.BaseOutput && base != h.Base && !w.through(h.chain) {
			return w.result
		}
	}
	for _, h := range m.hooks {
		if h.Base == base && (h.Guard == (stage == rules.StageGuard)) && (h.Latch == (stage == rules.StageLatch)) && !w.through(h.chain) {
			break
		}
	}
	return w.result
}

// walk is one packet on its way.
type walk struct {
	m      *Machine
	p      *Packet
	stage  rules.Stage
	record bool
	result Result
}

// place is a rule of a chain, or the place after its last one.
type place struct{ chain, rule int }

// through walks from the chain's first rule and reports whether the packet left
// it again. The stack holds the places after the Jumps taken.
func (w *walk) through(start int) bool {
	at, stack := place{chain: start}, make([]place, 0, 8)
	back := func() bool {
		if len(stack) == 0 {
			return false
		}
		at, stack = stack[len(stack)-1], stack[:len(stack)-1]
		return true
	}
	for {
		c := &w.m.chains[at.chain]
		if at.rule == len(c.rules) {
			if !back() {
				w.result.Decided = nil
				return true
			}
			continue
		}
		r := &c.rules[at.rule]
		here := at
		at.rule++
		step := w.hold(here, r)
		if step.Outcome == Unknown && !r.rule.Verdict.Kind.GoesOn() {
			return false
		}
		if step.Outcome != Hit {
			continue
		}
		switch kind := r.rule.Verdict.Kind; kind {
		case rules.Log, rules.Stamp:
		case rules.Jump:
			stack = append(stack, at)
			at = place{chain: r.to}
		case rules.Goto:
			at = place{chain: r.to}
		case rules.Return, rules.Unstamp:
			if !back() {
				w.result.Decided = &step
				return true
			}
		case rules.Drop, rules.Reject:
			w.stop(kind, &step)
			return false
		default:
			panic(fmt.Sprintf("trace does not know the verdict %q", kind))
		}
	}
}

// stop ends the walk. Nothing answers in the guard's table, so Reject is Drop
// there.
func (w *walk) stop(kind rules.VerdictKind, step *Step) {
	w.result.Decided = step
	w.result.Verdict = Drop
	if kind == rules.Reject && w.stage == rules.StageFilter {
		w.result.Verdict = Reject
	}
}

// hold matches the packet against the rule. One match that misses settles it,
// whatever is unknown beside it.
func (w *walk) hold(at place, r *rule) Step {
	out, which, fields := Hit, -1, Field(0)
	for i := range r.conds {
		o, f := r.conds[i].hold(w.p)
		if o == Miss {
			out, which = Miss, i
			break
		}
		if o == Unknown {
			fields |= f
			if out == Hit {
				out, which = Unknown, i
			}
		}
	}
	if !w.record && out == Miss {
		return Step{Outcome: Miss}
	}
	c := &w.m.chains[at.chain]
	s := Step{Chain: c.name, Index: at.rule, Rule: r.rule, Verdict: r.rule.Verdict, Origin: r.rule.Origin, Outcome: out}
	if which >= 0 && w.record {
		s.Missed = MatchText(r.rule.Match[which])
	}
	if w.record {
		w.result.Steps = append(w.result.Steps, s)
	}
	if out == Unknown && !r.rule.Verdict.Kind.GoesOn() {
		w.result.Verdict = Undecided
		w.result.Decided = nil
		w.result.Reason = fmt.Sprintf("rule %d of %s depends on %s, which is not known", at.rule, c.name, fields)
	}
	return s
}
