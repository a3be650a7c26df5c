package ask

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	"dockwall/rules/finding"
)

// DefaultConfig is where the operator's file is.
const DefaultConfig = "/etc/dockwall/agent.hcl"

// DefaultSocket is where agentd listens unless the file says otherwise; it is
// asked there too where the file cannot be read.
const DefaultSocket = "/run/dockwall/agent.sock"

// Env is what the command runs in.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	// IsTerminal reports whether a person reads what is written there.
	IsTerminal func(io.Writer) bool
	// Secret asks the person at the terminal for something that is not shown
	// while it is typed; nil if there is no terminal.
	Secret func(prompt string) ([]byte, error)
	// EUID is the effective user.
	EUID int
	Now  func() time.Time
	// Version is the build's, for `agentctl version`.
	Version string
	Host    Host
	// Meaning says in words who gains and who loses, for the head of diff; nil if
	// there is no such text.
	Meaning Meaning
	// RulesOnDisk names the files that a host loads at boot and that hold rules of dockwall's;
	// nil if they are not looked for.
	RulesOnDisk func() []finding.Finding
	// SavedSets makes the sets that those files name and that do not exist, and returns
	// their names.
	SavedSets func(ctx context.Context) ([]string, error)
}

// App is one run of agentctl.
type App struct {
	Env    Env
	Config string
	Socket string
	JSON   bool
	Code   int
}

// Run makes a cobra handler of a verb. What goes wrong in a verb is trouble;
// only cobra's own errors are about usage.
func (a *App) Run(verb func(ctx context.Context) (view.Result, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		r, err := verb(cmd.Context())
		if err != nil {
			a.Code = a.Trouble(err)
			return nil
		}
		a.Code = a.show(r)
		return nil
	}
}
