package enforce

import (
	"context"
	"slices"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// lacks reports whether this host does not take that kind of rules.
func (t *writer) lacks(kind rules.VerdictKind) bool { return slices.Contains(t.belief.without, kind) }

// bring brings the kernel to the ruleset, or to as much of it as this host takes:
// if only rules that report or stamp packets are refused, to the ruleset without
// them. Dropping packets matters more than logging them. A tool's message is
// ambiguous, so a host lacks a kind only once a pass has succeeded without it.
func (t *Target) bring(ctx context.Context, rs rules.Ruleset, look bool, r *Result) error {
	without := slices.Clone(t.belief.without)
	if t.prepared != nil && !slices.Equal(without, t.prepared.without) {
		t.prepared.plan, t.prepared.next = plan.Plan{}, nil
	}
	var found []lack
	latched := t.belief.latch.shut
	for {
		err := t.apply(ctx, rs.Without(without...), look, r)
		t.prepared = nil
		kind, lacks := plan.Lacks(err)
		if lacks && !slices.Contains(without, kind) {
			without, found = append(without, kind), append(found, lack{kind, err})
			t.belief.forget()
			if kind == rules.Stamp {
				t.lift()
			}
			continue
		}
		if err == nil {
			t.belief.without = without
			t.logLacks(found)
			t.keepLimits()
		} else if latched != nil && t.belief.latch.shut == nil && has(t.belief.ruleset, rules.Stamp) {
			t.close(*latched) // the rules are as they were
		}
		return err
	}
}

// lack is a kind of rules that this host refuses, and the tool's message.
type lack struct {
	kind rules.VerdictKind
	err  error
}

// logLacks logs what was found. A command says it with its result.
func (t *writer) logLacks(found []lack) {
	if t.o.Once {
		return
	}
	for _, l := range found {
		if l.kind == rules.Log {
			t.o.Log.Warn("denied packets are dropped, but cannot be reported", "error", l.err)
		} else {
			t.o.Log.Warn(latchOpen, "because", "packets cannot be stamped", "error", l.err)
		}
	}
}
