package watch

import (
	"context"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/control"
)

// Release is the verb release.
func Release(of *ask.App) *cobra.Command {
	a := &app{of}
	return &cobra.Command{
		Use:   "release NAME",
		Short: "Let a container go from quarantine",
		Long: `release lets the container with this name or ID go from quarantine: no quarantine
block closes it any more, whatever the audit finds, until the container is
removed. A restart of the container, of agentd or of the host changes nothing
about that; a new container with the same name is judged on its own.

It needs agentd.

Exit code: 0 released, 2 no daemon, or no such container.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.Run(func(ctx context.Context) (view.Result, error) { return a.release(ctx, args[0]) })(cmd, args)
		},
	}
}

// releaseResult is the container that was released.
type releaseResult struct {
	view.Header
	control.Released
}

func (a *app) release(ctx context.Context, name string) (view.Result, error) {
	d, err := a.Daemon(ctx, a.AnySocket())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, ask.AskTimeout)
	defer cancel()
	r, err := d.Client.Release(ctx, name)
	if err != nil {
		return nil, err
	}
	return &releaseResult{Released: r}, nil
}

func (*releaseResult) Code() int { return view.Same }

func (r *releaseResult) Text(p *view.Printer) {
	p.Printf("%s is released from quarantine until it is removed\n", view.Printable(r.Name))
}
