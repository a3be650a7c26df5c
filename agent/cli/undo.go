package cli

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

	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

const (
	// awaitLook is how often the process that waits looks whether it still has
	// to, and awaitRetry what it waits where going back failed.
	awaitLook  = time.Second
	awaitRetry = 2 * time.Second
	awaitVerb  = "await-confirmation"
)

// tryHere puts the file in force, with a process that goes back unless it is
// told otherwise. That process is there before anything changes, and so is
// what it goes by.
func (a *app) tryHere(ctx context.Context, w wanted, o iptables.Options, to way, path string, lasts time.Duration) (plan.Plan, *reconcile.Trial, error) {
	none := plan.Plan{}
	if to.plan.Empty() {
		return to.plan, nil, nil
	}
	release, err := trial.LockUndo(path)
	if err != nil {
		return none, nil, err
	}
	defer release()
	file, err := filepath.Abs(a.config)
	if err != nil {
		return none, nil, err
	}
	u := &trial.Undo{ID: rand.Text(), File: file, Variant: string(o.Variant), Deadline: trial.NewDeadline(a.env.Host.Clock, lasts)}
	if err := u.Write(path); err != nil {
		return none, nil, err
	}
	if u.Waiting, err = a.env.Host.Await(path, u.ID); err != nil {
		return none, nil, errors.Join(fmt.Errorf("nothing was changed, because nobody would go back: %w", err), trial.ForgetUndo(path))
	}
	if err := a.put(ctx, w, o, to, func(p plan.Plan) error {
		u.Steps = slices.Concat(p.Rollback, u.Steps)
		return u.Write(path)
	}); err != nil {
		return none, nil, errors.Join(fmt.Errorf("the kernel could not be made as %s says: %w", a.config, err),
			a.goBack(context.WithoutCancel(ctx), path, u))
	}
	status := u.Status(a.env.Host.Clock)
	return to.plan, &status, nil
}

// goBack brings the kernel back and ends the trial. The caller has its lock.
func (a *app) goBack(ctx context.Context, path string, u *trial.Undo) error {
	pause := applyPause
	for try := 1; ; try++ {
		err := a.runAll(ctx, u.Steps)
		if err == nil {
			return trial.ForgetUndo(path)
		}
		if try == applyTries {
			return fmt.Errorf("going back failed: %w", err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("going back failed: %w", err)
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// runAll runs every step, whatever becomes of the others: one family that is
// brought back is better than none.
func (a *app) runAll(ctx context.Context, steps []plan.Step) error {
	var errs []error
	for _, s := range steps {
		errs = append(errs, a.env.Host.Writer.Run(ctx, plan.Plan{Steps: []plan.Step{s}}))
	}
	return errors.Join(errs...)
}

// pendingUndo is the trial at path that is pending; nil: none is. One that is
// over goes back, and where the process that waits was killed another one is
// started.
func (a *app) pendingUndo(ctx context.Context, path string) (*trial.Undo, error) {
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
	if u.Deadline.Left(a.env.Host.Clock) == 0 {
		if err := a.goBack(ctx, path, u); err != nil {
			return nil, err
		}
		a.note("the trial of %s was over and nobody had gone back: that is done now", u.File)
		return nil, nil
	}
	if u.Waiting.Alive() {
		return u, nil
	}
	if u.Waiting, err = a.env.Host.Await(path, u.ID); err != nil {
		return nil, err
	}
	a.note("the process that waits for the confirmation of %s was gone: another one waits now", u.File)
	return u, u.Write(path)
}

// noTrial is the error where a trial is pending.
func (a *app) noTrial(ctx context.Context, path string) error {
	u, err := a.pendingUndo(ctx, path)
	if err != nil || u == nil {
		return err
	}
	return fmt.Errorf("%s is on trial until %s: keep it with agentctl confirm, or wait until it has gone back",
		u.File, u.Deadline.At(a.env.Host.Clock).Local().Format(time.TimeOnly))
}

// awaitCommand is the process that goes back. Nobody types it.
func (a *app) awaitCommand() *cobra.Command {
	var path, id string
	cmd := &cobra.Command{
		Use:    awaitVerb,
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: a.run(func(ctx context.Context) (result, error) {
			// The end of the session is no reason to end.
			signal.Ignore(syscall.SIGHUP)
			return &awaitResult{}, a.awaitConfirmation(ctx, path, id)
		}),
	}
	cmd.Flags().StringVar(&path, "path", "", "where the trial is kept")
	cmd.Flags().StringVar(&id, "id", "", "which trial it is")
	return cmd
}

// awaitResult says nothing: nobody reads it.
type awaitResult struct{ header }

func (awaitResult) code() int     { return exitSame }
func (awaitResult) text(*printer) {}

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
		left := u.Deadline.Left(a.env.Host.Clock)
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

// lapse goes back, unless the trial has come to another end meanwhile.
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
	return a.goBack(ctx, path, u)
}

// await starts the process that waits, in a session of its own and without a
// terminal, so that nothing of what becomes of ours reaches it.
func await(path, id string) (trial.Process, error) {
	self, err := os.Executable()
	if err != nil {
		return trial.Process{}, fmt.Errorf("finding this program: %w", err)
	}
	nothing, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return trial.Process{}, err
	}
	defer nothing.Close()
	p, err := os.StartProcess(self, []string{"agentctl", awaitVerb, "--path", path, "--id", id}, &os.ProcAttr{
		Dir: "/", Env: os.Environ(), Files: []*os.File{nothing, nothing, nothing}, Sys: &syscall.SysProcAttr{Setsid: true}})
	if err != nil {
		return trial.Process{}, fmt.Errorf("starting the process that goes back: %w", err)
	}
	waiting, err := trial.ProcessOf(p.Pid)
	return waiting, errors.Join(err, p.Release())
}
