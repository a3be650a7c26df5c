package undo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/enforce"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/rules/plan"
)

const (
	// awaitLook is how often the process that waits looks whether it still has
	// to, and awaitRetry what it waits where going back failed.
	awaitLook  = time.Second
	awaitRetry = 2 * time.Second
	// AwaitVerb is the verb of the process that goes back: see Host.Await.
	AwaitVerb = "await-confirmation"
)

// Trying puts a file in force that goes back by itself unless it is confirmed. The
// process that goes back, and the steps that lead back, are there before anything
// changes.
type Trying struct {
	App   *ask.App
	Path  string
	Lasts time.Duration
	// undo is the trial; nil if nothing had to be changed yet.
	undo *trial.Undo
}

// Before is called with each plan before it runs.
func (t *Trying) Before(p plan.Plan) error {
	if t.undo == nil {
		if err := t.begin(); err != nil {
			return err
		}
	}
	t.undo.Steps = slices.Concat(p.Rollback, t.undo.Steps)
	return t.undo.Write(t.Path)
}

// begin starts the process that goes back.
func (t *Trying) begin() error {
	file, err := filepath.Abs(t.App.Config)
	if err != nil {
		return err
	}
	h := t.App.Env.Host
	u := &trial.Undo{ID: rand.Text(), File: file, Deadline: trial.NewDeadline(h.Clock, t.Lasts)}
	if err := u.Write(t.Path); err != nil {
		return err
	}
	if u.Waiting, err = h.Await(t.Path, u.ID); err != nil {
		return errors.Join(fmt.Errorf("nothing was changed, because no process would go back: %w", err), trial.ForgetUndo(t.Path))
	}
	t.undo = u
	return nil
}

// Run applies. After an error everything is as it was before.
func (t *Trying) Run(ctx context.Context, target *enforce.Target) (enforce.Result, error) {
	release, err := trial.LockUndo(t.Path)
	if err != nil {
		return enforce.Result{}, err
	}
	defer release()
	r, err := target.Apply(ctx)
	switch {
	case t.undo == nil:
		return r, err
	case err != nil:
		return r, errors.Join(err, GoBack(context.WithoutCancel(ctx), t.App, t.Path, t.undo))
	case !r.Ran:
		// What was tried, this host does not take, and all else was in force.
		t.undo = nil
		return r, trial.ForgetUndo(t.Path)
	}
	t.undo.Rest = target.Rest()
	return r, t.undo.Write(t.Path)
}

// Status is the trial that is pending; nil if none is.
func (t *Trying) Status() *reconcile.Trial {
	if t.undo == nil {
		return nil
	}
	s := t.undo.Status(t.App.Env.Host.Clock)
	return &s
}

// GoBack brings the kernel back and ends the trial. The caller has its lock.
func GoBack(ctx context.Context, a *ask.App, path string, u *trial.Undo) error {
	t := enforce.New(enforce.Options{Log: a.Logger(), Kernel: a.Env.Host.Kernel, Once: true})
	if err := t.Back(ctx, u.Steps); err != nil {
		return fmt.Errorf("going back failed: %w", err)
	}
	return trial.ForgetUndo(path)
}

// PendingUndo is the trial at path that is pending; nil if none is. One that is
// over goes back, and where the process that waits was killed another one is
// started.
func PendingUndo(ctx context.Context, a *ask.App, path string) (*trial.Undo, error) {
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	release, err := trial.LockUndo(path)
	if err != nil {
		return nil, err
	}
	defer release()
	u, err := trial.ReadUndo(path)
	if err != nil || u == nil {
		return nil, err
	}
	if u.Deadline.Left(a.Env.Host.Clock) == 0 {
		if err := GoBack(ctx, a, path, u); err != nil {
			return nil, err
		}
		a.Note("the trial of %s was over and the way back had not been taken: it is taken now", u.File)
		return nil, nil
	}
	if u.Waiting.Alive() {
		return u, nil
	}
	if u.Waiting, err = a.Env.Host.Await(path, u.ID); err != nil {
		return nil, err
	}
	a.Note("the process that waits for the confirmation of %s was gone: another one waits now", u.File)
	return u, u.Write(path)
}

// NoTrial is the error where a trial is pending.
func NoTrial(ctx context.Context, a *ask.App, path string) error {
	u, err := PendingUndo(ctx, a, path)
	if err != nil || u == nil {
		return err
	}
	return fmt.Errorf("%s is on trial until %s: keep it with agentctl confirm, or wait until it has gone back",
		u.File, u.Deadline.At(a.Env.Host.Clock).Local().Format(time.TimeOnly))
}

// Await is the process that goes back. No operator types it.
func Await(of *ask.App) *cobra.Command {
	a := &app{of}
	var path, id string
	cmd := &cobra.Command{
		Use:    AwaitVerb,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) {
			// The end of the session is no reason to end.
			signal.Ignore(syscall.SIGHUP)
			return &awaitResult{}, a.awaitConfirmation(ctx, path, id)
		}),
	}
	cmd.Flags().StringVar(&path, "path", "", "where the trial is kept")
	cmd.Flags().StringVar(&id, "id", "", "which trial it is")
	return cmd
}

// awaitResult prints nothing: it has no reader.
type awaitResult struct{ view.Header }

func (awaitResult) Code() int          { return view.Same }
func (awaitResult) Text(*view.Printer) {}

// awaitConfirmation waits until the trial is over or is no more, and goes back
// if it is over. Where it is told to end it goes back at once.
func (a *app) awaitConfirmation(ctx context.Context, path, id string) error {
	for {
		u, err := trial.ReadUndo(path)
		if err != nil {
			return err
		}
		if u == nil || u.ID != id {
			return nil
		}
		left := u.Deadline.Left(a.Env.Host.Clock)
		wait := min(left, awaitLook)
		if left == 0 || ctx.Err() != nil {
			if err := a.lapse(context.WithoutCancel(ctx), path, id); err == nil || ctx.Err() != nil {
				return err
			}
			wait = awaitRetry
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// lapse goes back, unless the trial has ended in another way before.
func (a *app) lapse(ctx context.Context, path, id string) error {
	release, err := trial.LockUndo(path)
	if err != nil {
		return err
	}
	defer release()
	u, err := trial.ReadUndo(path)
	if err != nil || u == nil || u.ID != id {
		return err
	}
	return GoBack(ctx, a.App, path, u)
}
