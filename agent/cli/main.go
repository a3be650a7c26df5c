package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

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
