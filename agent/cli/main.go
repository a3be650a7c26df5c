package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/apply"
	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/audit"
	"dockwall/agent/cli/check"
	"dockwall/agent/cli/complete"
	"dockwall/agent/cli/create"
	"dockwall/agent/cli/early"
	"dockwall/agent/cli/explain"
	"dockwall/agent/cli/tls"
	"dockwall/agent/cli/undo"
	"dockwall/agent/cli/watch"
)

// Main runs agentctl with the arguments (without the program's name) and
// returns its exit code.
func Main(ctx context.Context, args []string, env ask.Env) int {
	a := &ask.App{Env: env}
	root := root(a)
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil {
		return a.Trouble(&usageError{command: cmd.CommandPath(), err: err})
	}
	return a.Code
}

// verbs are the subcommands, in the order that help shows them.
func verbs(a *ask.App) []*cobra.Command {
	return []*cobra.Command{
		create.Init(a),
		check.Check(a),
		apply.Diff(a),
		explain.Explain(a),
		explain.Map(a),
		apply.Apply(a),
		apply.Confirm(a),
		undo.Await(a),
		early.Sets(a),
		apply.Remove(a),
		check.Rules(a),
		watch.Status(a),
		watch.Denied(a),
		watch.Release(a),
		tls.Command(a),
		audit.Audit(a),
		check.Snapshot(a),
		version(a),
	}
}

func root(a *ask.App) *cobra.Command {
	root := &cobra.Command{
		Use:   "agentctl",
		Short: "A host firewall for Docker hosts: check, see and apply what agent.hcl says",
		Long: `agentctl checks, shows and applies what agent.hcl says about who may reach
the containers of this host. All verbs but status,
denied and release work without the daemon.

Exit codes are those of diff(1): 0 same or fine, 1 differs or not as expected,
2 trouble.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("a verb is missing")
		},
	}
	root.PersistentFlags().StringVar(&a.Config, "config", ask.DefaultConfig, "the operator's file")
	root.PersistentFlags().StringVar(&a.Socket, "socket", "", "agentd's control socket (default: what the file says)")
	root.PersistentFlags().BoolVar(&a.JSON, "json", false, "print JSON")
	root.SetHelpCommand(&cobra.Command{Use: "no-help", Hidden: true})
	cobra.EnableCommandSorting = false
	root.AddCommand(verbs(a)...)
	complete.Flags(a, root)
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
