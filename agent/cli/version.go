package cli

import (
	"context"
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: a.run(func(context.Context) (result, error) {
			return &versionResult{Version: a.env.Version, Go: runtime.Version()}, nil
		}),
	}
}

// versionResult is the build's version.
type versionResult struct {
	header
	Version string `json:"version"`
	Go      string `json:"go"`
}

func (r *versionResult) code() int { return exitSame }

func (r *versionResult) text(p *printer) { p.printf("agentctl %s\n", r.Version) }
