package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"dockwall/rules/finding"
)

// The exit codes, as diff(1) has them.
const (
	exitSame    = 0
	exitDiffers = 1
	exitTrouble = 2
)

// DefaultConfig is where the operator's file is.
const DefaultConfig = "/etc/dockwall/agent.hcl"

// defaultSocket is where agentd listens unless the file says otherwise; it is
// asked there too where the file cannot be read.
const defaultSocket = "/run/dockwall/agent.sock"

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
}

// Main runs agentctl with the arguments (without the program's name) and
// returns its exit code.
func Main(ctx context.Context, args []string, env Env) int {
	a := &app{env: env}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		return a.trouble(&usageError{command: cmd.CommandPath(), err: err})
	}
	return a.code
}

// app is one run of agentctl.
type app struct {
	env    Env
	config string
	socket string
	json   bool
	code   int
}

// verbs are the subcommands, in the order that help shows them.
func (a *app) verbs() []*cobra.Command {
	return []*cobra.Command{
		a.initCommand(),
		a.checkCommand(),
		a.diffCommand(),
		a.explainCommand(),
		a.mapCommand(),
		a.applyCommand(),
		a.confirmCommand(),
		a.awaitCommand(),
		a.removeCommand(),
		a.rulesCommand(),
		a.statusCommand(),
		a.deniedCommand(),
		a.tlsCommand(),
		a.auditCommand(),
		a.snapshotCommand(),
		a.versionCommand(),
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "agentctl",
		Short: "A host firewall for Docker hosts: check, see and apply what agent.hcl says",
		Long: `agentctl checks, shows and applies what agent.hcl says about who may reach
the containers of this host. All verbs but status
and denied work without the daemon.

Exit codes are those of diff(1): 0 same or fine, 1 differs or not as expected,
2 trouble.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("a verb is missing")
		},
	}
	root.PersistentFlags().StringVar(&a.config, "config", DefaultConfig, "the operator's file")
	root.PersistentFlags().StringVar(&a.socket, "socket", "", "agentd's control socket (default: what the file says)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	cobra.EnableCommandSorting = false
	root.AddCommand(a.verbs()...)
	a.completions(root)
	return root
}

// run makes a cobra handler of a verb. What goes wrong in a verb is trouble;
// only cobra's own errors are about usage.
func (a *app) run(verb func(ctx context.Context) (result, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		r, err := verb(cmd.Context())
		if err != nil {
			a.code = a.trouble(err)
			return nil
		}
		a.code = a.show(r)
		return nil
	}
}

// usageError is a command line that makes no sense.
type usageError struct {
	command string
	err     error
}

// Error says where to read on.
func (e *usageError) Error() string {
	return fmt.Sprintf("%v\nRun '%s --help' for usage.", e.err, e.command)
}

func (e *usageError) Unwrap() error { return e.err }
