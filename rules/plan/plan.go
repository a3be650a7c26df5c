package plan

import (
	"errors"
	"iter"
	"slices"

	"dockwall/rules"
)

// Plan is the difference between the kernel's ruleset and the wanted one, and the steps
// from one to the other.
type Plan struct {
	// Changes are shown to people. If they are empty, no rule and no set changes.
	Changes []Change
	// Prepare runs first. It makes new sets, which no rule looks up yet, so that no
	// packet is affected.
	Prepare []Step
	// Checks run after Prepare, because a rule can be tested only once its sets exist.
	// All of them run before the first step, and none changes anything
	// (iptables-restore --test).
	Checks []Step
	// Steps lead to the wanted ruleset, in order.
	Steps []Step
	// Rollback restores the old ruleset after any prefix of Steps and Cleanup.
	Rollback []Step
	// Cleanup removes old sets. If a step of it fails, no packet is affected, and the next
	// plan contains the step again.
	Cleanup []Step
}

// Empty reports whether the kernel already holds the wanted ruleset.
func (p Plan) Empty() bool {
	return len(p.Changes) == 0 && len(p.Prepare) == 0 && len(p.Steps) == 0 && len(p.Cleanup) == 0
}

// Forward returns the steps of a run without errors, in order: Prepare, Checks, Steps and
// Cleanup.
func (p Plan) Forward() iter.Seq[Step] {
	return func(yield func(Step) bool) {
		for _, steps := range [][]Step{p.Prepare, p.Checks, p.Steps, p.Cleanup} {
			for _, s := range steps {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// Settles reports whether the plan waits for connections that were being opened while it
// ran.
func (p Plan) Settles() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { _, ok := s.Action.(Settle); return ok })
}

// ErrNotUndone is the error of a run that failed and could not be rolled back: the kernel
// holds a part of the plan.
var ErrNotUndone = errors.New("going back failed too")

// Lacks reports whether running a plan failed only because this host lacks a kind of rule
// that the ruleset can do without (rules.Ruleset.Without), and which.
func Lacks(err error) (rules.VerdictKind, bool) {
	var refused interface {
		Lacks() (rules.VerdictKind, bool)
	}
	if !errors.As(err, &refused) {
		return "", false
	}
	return refused.Lacks()
}

// FailedFamily returns the family, 4 or 6, that could not be read or written; false if the
// error is about no family alone.
func FailedFamily(err error) (family int, ok bool) {
	var failed interface{ FailedFamily() (int, bool) }
	if !errors.As(err, &failed) {
		return 0, false
	}
	return failed.FailedFamily()
}
