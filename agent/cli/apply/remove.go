package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/enforce"
	"dockwall/agent/trial"
	"dockwall/rules/finding"
)

// Remove is the verb remove.
func Remove(of *ask.App) *cobra.Command {
	a := &app{of}
	var force bool
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Take every rule, chain, jump and set of dockwall's away",
		Long: `remove takes every trace of dockwall out of the kernel; what others wrote stays
as it is. It refuses while agentd runs, because agentd would put everything
back; stop it first (systemctl stop dockwall). A trial that is pending ends.

It warns of files from which the host loads rules at boot and that hold rules of
dockwall's. Save these again: without dockwall they are not loaded.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.remove(ctx, force) }),
	}
	cmd.Flags().BoolVar(&force, "force", false, "do it although agentd runs")
	return cmd
}

// removeResult reports whether anything was there.
type removeResult struct {
	view.Header
	Changed bool `json:"changed"`
	// Problems are the files with saved rules of dockwall's.
	Problems []finding.Finding `json:"problems,omitempty"`
}

func (a *app) remove(ctx context.Context, force bool) (view.Result, error) {
	if err := a.NeedRoot("remove", "changes the kernel's rules"); err != nil {
		return nil, err
	}
	socket := a.AnySocket()
	if !force {
		switch d, err := a.Running(ctx, socket); {
		case err != nil:
			return nil, fmt.Errorf("%w; it seems to run, and would put everything back: stop it first, or use --force", err)
		case d != nil:
			return nil, fmt.Errorf("agentd is running (it answers on %s) and would put everything back: stop it first with systemctl stop dockwall, or use --force", socket)
		}
	}
	if _, err := trial.EndUndo(trial.UndoPath(socket)); err != nil {
		return nil, err
	}
	changed, err := a.Env.Host.Kernel.RemoveAll(ctx)
	switched, bridgesErr := a.Env.Host.Bridges(socket).TakeBack()
	if err := errors.Join(err, bridgesErr, enforce.ForgetLimits(enforce.LimitsPath(socket))); err != nil {
		return nil, fmt.Errorf("removing: %w", err)
	}
	r := &removeResult{Changed: changed || switched}
	if a.Env.RulesOnDisk != nil {
		r.Problems = a.Env.RulesOnDisk()
	}
	return r, nil
}

func (r *removeResult) Code() int { return view.Same }

func (r *removeResult) Text(p *view.Printer) {
	if r.Changed {
		p.Printf("Everything of dockwall's was taken out of the kernel.\n")
	} else {
		p.Printf("There was nothing of dockwall's in the kernel.\n")
	}
	for _, f := range r.Problems {
		p.Printf("\nWarning: %s\n", f.Message)
	}
}
