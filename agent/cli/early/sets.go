package early

import (
	"context"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
)

// Sets is the verb of dockwall-sets.service. No operator types it: agentd takes sets that
// its policy does not need away again.
func Sets(a *ask.App) *cobra.Command {
	return &cobra.Command{
		Use:    "saved-sets",
		Short:  "Make the sets that the host's saved rules name, empty, before they are loaded",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) {
			if err := a.NeedRoot("saved-sets", "makes sets in the kernel"); err != nil {
				return nil, err
			}
			made, err := a.Env.SavedSets(ctx)
			if err != nil {
				return nil, err
			}
			return &setsResult{Sets: made}, nil
		}),
	}
}

// setsResult is which sets were made, by the kernel's names.
type setsResult struct {
	view.Header
	Sets []string `json:"sets"`
}

func (*setsResult) Code() int { return view.Same }

func (r *setsResult) Text(p *view.Printer) {
	if len(r.Sets) > 0 {
		p.Printf("The host's saved rules hold rules of dockwall's: made %d empty sets, so that they can be loaded. agentctl check says how to save them without dockwall's.\n", len(r.Sets))
	}
}
