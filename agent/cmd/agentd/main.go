package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/term"

	"dockwall/agent/daemon"
)

// version is set by the linker (make build).
var version = "dev"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// parse reads the command line; show reports whether it only asks for the version.
func parse(args []string, stderr io.Writer) (o daemon.Options, show bool, err error) {
	o = daemon.Options{Version: version, Log: stderr}
	set := flag.NewFlagSet("agentd", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&o.File, "config", "/etc/dockwall/agent.hcl", "the operator's `file`")
	set.StringVar(&o.State, "state", os.Getenv("STATE_DIRECTORY"), "the `folder` that keeps the last good policy (default: beside the control socket)")
	set.BoolVar(&show, "version", false, "print the version and end")
	if err := set.Parse(args); err != nil {
		return o, false, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("agentd takes no argument: %q", set.Arg(0))
		fmt.Fprintln(stderr, err)
		return o, false, err
	}
	o.File, err = filepath.Abs(o.File)
	return o, show, err
}

func run(args []string, stdout, stderr io.Writer) (code int) {
	o, show, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case show:
		fmt.Fprintf(stdout, "agentd %s\n", version)
		return 0
	case os.Geteuid() != 0:
		fmt.Fprintln(stderr, "agentd: only root may write the kernel's rules: start it as root")
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// After the first signal, a second one kills an agent that does not end.
	context.AfterFunc(ctx, stop)
	err = daemon.Run(ctx, o)
	var none *daemon.NoPolicy
	switch {
	case errors.As(err, &none):
		none.WriteText(stderr, term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("NO_COLOR") == "")
		return 1
	case err != nil:
		fmt.Fprintf(stderr, "agentd: %v\n", err)
		return 1
	}
	return 0
}
