package apply

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/undo"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/durable"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
)

// Confirm is the verb confirm.
func Confirm(of *ask.App) *cobra.Command {
	a := &app{of}
	return &cobra.Command{
		Use:   "confirm",
		Short: "Keep what apply --confirm put in force",
		Long: `confirm keeps what apply --confirm put in force. Where another file than agentd's
was on trial, it is written over agentd's file, whose former text is kept beside
it as agent.hcl.old, and the other file is removed.

Exit code: 0 it is kept, 2 nothing awaits confirmation, or trouble.`,
		Args: cobra.NoArgs,
		RunE: a.Run(a.confirm),
	}
}

// confirmResult is what was kept.
type confirmResult struct {
	view.Header
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

func (a *app) confirm(ctx context.Context) (view.Result, error) {
	if err := a.NeedRoot("confirm", "decides about the kernel's rules"); err != nil {
		return nil, err
	}
	socket := a.AnySocket()
	d, err := a.Running(ctx, socket)
	if err != nil {
		return nil, err
	}
	if d != nil {
		return a.confirmByDaemon(ctx, d)
	}
	return a.confirmHere(ctx, socket)
}

// confirmHere keeps what agentctl itself put in force.
func (a *app) confirmHere(ctx context.Context, socket string) (view.Result, error) {
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
	case u.Deadline.Left(a.Env.Host.Clock) == 0:
		return nil, errors.Join(fmt.Errorf("%w: the trial of %s is over, and the kernel goes back", trial.ErrNone, u.File), undo.GoBack(ctx, a.App, path, u))
	}
	if err := trial.ForgetUndo(path); err != nil {
		return nil, err
	}
	r := &confirmResult{Confirmed: true, By: "agentctl", File: u.File}
	if err := a.Target(config.Settings{Control: config.ControlSettings{Socket: socket}}, nil).Finish(ctx, u.Rest); err != nil {
		return nil, fmt.Errorf("it is kept; what a trial leaves to its confirmation failed, run agentctl apply: %w", err)
	}
	return r, nil
}

// confirmByDaemon keeps what the daemon has on trial.
func (a *app) confirmByDaemon(ctx context.Context, d *ask.Daemon) (view.Result, error) {
	r := &confirmResult{Confirmed: true, By: "agentd"}
	own := d.Status.Config.Path
	takeBack := func() error { return nil }
	if t := d.Status.Trial; t != nil && t.State == reconcile.TrialPending && t.File != own {
		var err error
		if takeBack, err = install(t.File, own); err != nil {
			return nil, err
		}
		r.Installed, r.Former = own, own+".old"
	}
	var t *reconcile.Trial
	err := awaited(ctx, d, func(ctx context.Context) error {
		err := d.Client.Confirm(ctx, &t)
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
			a.Note("%s is kept, and is in the way now: %v", t.File, err)
		}
	}
	return r, nil
}

// install writes the candidate over the file, and keeps the file's text beside
// it. It returns the way back.
func install(candidate, file string) (takeBack func() error, err error) {
	if doc, diags := config.Load(candidate); doc == nil {
		return nil, &ask.BadFile{Path: candidate, Diags: diags}
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
	return func() error { return durable.Replace(real, old, ask.ConfigMode) }, durable.Replace(real, text, ask.ConfigMode)
}

func (r *confirmResult) Code() int { return view.Same }

func (r *confirmResult) Text(p *view.Printer) {
	p.Printf("Confirmed: %s stays in force.\n", view.Printable(r.File))
	if r.Installed != "" {
		p.Printf("It was written over %s, whose former text is in %s.\n", view.Printable(r.Installed), view.Printable(r.Former))
	}
}
