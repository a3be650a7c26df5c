package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/agent/enforce"
	"dockwall/agent/trial"
)

func (a *app) removeCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Take every rule, chain, jump and set of dockwall's away",
		Long: `remove takes every trace of dockwall out of the kernel; what others wrote stays
as it is. It refuses while agentd runs, because agentd would put everything
back; stop it first (systemctl stop dockwall). A trial that is pending ends.`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context) (result, error) { return a.remove(ctx, force) }),
	}
	cmd.Flags().BoolVar(&force, "force", false, "do it although agentd runs")
	return cmd
}

// removeResult reports whether anything was there.
type removeResult struct {
	header
	Changed bool `json:"changed"`
}

func (a *app) remove(ctx context.Context, force bool) (result, error) {
	if err := a.needRoot("remove", "changes the kernel's rules"); err != nil {
		return nil, err
	}
	socket := a.anySocket()
	if !force {
		switch d, err := a.running(ctx, socket); {
		case err != nil:
			return nil, fmt.Errorf("%w; it seems to run, and would put everything back: stop it first, or use --force", err)
		case d != nil:
			return nil, fmt.Errorf("agentd is running (it answers on %s) and would put everything back: stop it first with systemctl stop dockwall, or use --force", socket)
		}
	}
	if _, err := trial.EndUndo(trial.UndoPath(socket)); err != nil {
		return nil, err
	}
	changed, err := a.env.Host.Kernel.RemoveAll(ctx)
	switched, bridgesErr := a.env.Host.Bridges(socket).TakeBack()
	if err := errors.Join(err, bridgesErr, enforce.ForgetLimits(enforce.LimitsPath(socket))); err != nil {
		return nil, fmt.Errorf("removing: %w", err)
	}
	return &removeResult{Changed: changed || switched}, nil
}

func (r *removeResult) code() int { return exitSame }

func (r *removeResult) text(p *printer) {
	if r.Changed {
		p.printf("Everything of dockwall's was taken out of the kernel.\n")
		return
	}
	p.printf("There was nothing of dockwall's in the kernel.\n")
}
