package enforce

import (
	"context"
	"errors"
	"time"

	"dockwall/rules/plan"
)

const (
	// tries is how often a one-shot command tries what failed or was contested, and
	// pause what it waits the first time; the pause doubles.
	tries = 5
	pause = 50 * time.Millisecond
)

// Apply passes until the kernel holds the policy, on the facts of Compare, which
// comes before it: another program may write at the same time. Kinds of rules that
// the host lacked earlier are tried again. The result is what the passes did
// together; its plan is the first that ran.
func (t *Target) Apply(ctx context.Context) (Result, error) {
	var all Result
	t.belief.without = nil
	err := again(ctx, func() error {
		r, err := t.run(ctx, t.snapshot, false)
		all.Repairs += r.Repairs
		if r.Ran && !all.Ran {
			all.Ran, all.Plan = true, r.Plan
		}
		all.Changed = all.Changed || r.Changed
		return err
	})
	return all, err
}

// again does what may fail for a moment, some times. An error of Before is final.
func again(ctx context.Context, do func() error) error {
	wait := pause
	for try := 1; ; try++ {
		err := do()
		var final *beforeError
		if err == nil || try == tries || errors.As(err, &final) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		wait *= 2
	}
}

// before calls the hook for a plan that is about to run.
func (t *writer) before(p plan.Plan) error {
	if t.o.Before == nil {
		return nil
	}
	if err := t.o.Before(p); err != nil {
		return &beforeError{err}
	}
	return nil
}

// beforeError is an error of Options.Before.
type beforeError struct{ error }

func (e *beforeError) Unwrap() error { return e.error }

// Back runs the steps that lead back from what earlier passes did (plan.Plan.Rollback,
// the last one first), some times if one of them fails. It runs every step whatever
// becomes of the others: one family that is brought back is better than none.
func (t *writer) Back(ctx context.Context, steps []plan.Step) error {
	t.belief.forget()
	return again(ctx, func() error {
		var errs []error
		for _, s := range steps {
			errs = append(errs, t.o.Kernel.Run(ctx, plan.Plan{Steps: []plan.Step{s}}))
		}
		return errors.Join(errs...)
	})
}
