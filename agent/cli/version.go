package cli

import (
	"context"
	"dockwall/agent/cli/view"
	"runtime"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
)

func version(a *ask.App) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: a.Run(func(context.Context) (view.Result, error) {
			return &versionResult{Version: a.Env.Version, Go: runtime.Version()}, nil
		}),
	}
}

// versionResult is the build's version.
type versionResult struct {
	view.Header
	Version string `json:"version"`
	Go      string `json:"go"`
}

func (r *versionResult) Code() int { return view.Same }

func (r *versionResult) Text(p *view.Printer) { p.Printf("agentctl %s\n", r.Version) }
