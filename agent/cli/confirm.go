package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"dockwall/agent/config"
	"dockwall/agent/durable"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
)

func (a *app) confirmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "confirm",
		Short: "Keep what apply --confirm put in force",
		Long: `confirm keeps what apply --confirm put in force. Where another file than agentd's
was on trial, it is written over agentd's file, whose former text is kept beside
it as agent.hcl.old, and the other file is removed.

Exit code: 0 it is kept, 2 nothing awaits confirmation, or trouble.`,
		Args: cobra.NoArgs,
		RunE: a.run(a.confirm),
	}
}

// confirmResult is what was kept.
type confirmResult struct {
	header
	Confirmed bool `json:"confirmed"`
	// By is the program that had it on trial: agentctl or agentd.
	By string `json:"by"`
	// File was on trial.
	File string `json:"file"`
	// Installed is the file that File was written over, and Former where that
	// one's text is kept; empty if File is where it belongs.
	Installed string `json:"installed,omitempty"`
	Former    string `json:"former,omitempty"`
}

func (a *app) confirm(ctx context.Context) (result, error) {
	if err := a.needRoot("confirm", "decides about the kernel's rules"); err != nil {
		return nil, err
	}
	socket := a.anySocket()
	d, err := a.running(ctx, socket)
	if err != nil {
		return nil, err
	}
	if d != nil {
		return a.confirmByDaemon(ctx, d)
	}
	return a.confirmHere(ctx, socket)
}

// confirmHere keeps what agentctl itself put in force.
func (a *app) confirmHere(ctx context.Context, socket string) (result, error) {
	path := trial.UndoPath(socket)
	release, err := trial.LockUndo(path)
	if err != nil {
		return nil, err
	}
	defer release()
	u, err := trial.ReadUndo(path)
	switch {
	case err != nil:
		return nil, err
	case u == nil:
		return nil, fmt.Errorf("%w: no trial is kept in %s, and agentd does not run", trial.ErrNone, filepath.Dir(path))
	case u.Deadline.Left(a.env.Host.Clock) == 0:
		return nil, errors.Join(fmt.Errorf("%w: the trial of %s is over, and the kernel goes back", trial.ErrNone, u.File), goBack(ctx, a, path, u))
	}
	if err := trial.ForgetUndo(path); err != nil {
		return nil, err
	}
	r := &confirmResult{Confirmed: true, By: "agentctl", File: u.File}
	if err := a.target(config.Settings{Control: config.ControlSettings{Socket: socket}}, nil).Finish(ctx, u.Rest); err != nil {
		return nil, fmt.Errorf("it is kept; what a trial leaves to its confirmation failed, run agentctl apply: %w", err)
	}
	return r, nil
}

// confirmByDaemon keeps what the daemon has on trial.
func (a *app) confirmByDaemon(ctx context.Context, d *daemon) (result, error) {
	r := &confirmResult{Confirmed: true, By: "agentd"}
	own := d.status.Config.Path
	takeBack := func() error { return nil }
	if t := d.status.Trial; t != nil && t.State == reconcile.TrialPending && t.File != own {
		var err error
		if takeBack, err = install(t.File, own); err != nil {
			return nil, err
		}
		r.Installed, r.Former = own, own+".old"
	}
	var t *reconcile.Trial
	err := awaited(ctx, d, func(ctx context.Context) error {
		err := d.client.Confirm(ctx, &t)
		if err != nil {
			return errors.Join(err, takeBack())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.File = t.File
	if r.Installed != "" {
		if err := os.Remove(t.File); err != nil {
			a.note("%s is kept, and is in the way now: %v", t.File, err)
		}
	}
	return r, nil
}

// install writes the candidate over the file, and keeps the file's text beside
// it. It returns the way back.
func install(candidate, file string) (takeBack func() error, err error) {
	if doc, diags := config.Load(candidate); doc == nil {
		return nil, &badFile{candidate, diags}
	}
	text, err := os.ReadFile(candidate)
	if err != nil {
		return nil, fmt.Errorf("reading what is on trial: %w", err)
	}
	// A symbolic link stays one.
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil, fmt.Errorf("looking for the file to write over: %w", err)
	}
	old, err := os.ReadFile(real)
	if err != nil {
		return nil, fmt.Errorf("reading the file to write over: %w", err)
	}
	if err := durable.ReplaceLike(file+".old", old, real); err != nil {
		return nil, err
	}
	return func() error { return durable.Replace(real, old, configMode) }, durable.Replace(real, text, configMode)
}

func (r *confirmResult) code() int { return exitSame }

func (r *confirmResult) text(p *printer) {
	p.printf("Confirmed: %s stays in force.\n", printable(r.File))
	if r.Installed != "" {
		p.printf("It was written over %s, whose former text is in %s.\n", printable(r.Installed), printable(r.Former))
	}
}
