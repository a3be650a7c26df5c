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
)

// version is stamped by the linker (make build).
var version = "dev"

// The exit codes.
const (
	exitDone    = 0
	exitFailure = 1
	exitUsage   = 2
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// flags is the command line.
type flags struct {
	config  string
	state   string
	version bool
}

func parse(args []string, stderr io.Writer) (flags, error) {
	var f flags
	set := flag.NewFlagSet("agentd", flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.config, "config", "/etc/dockwall/agent.hcl", "the operator's `file`")
	set.StringVar(&f.state, "state", os.Getenv("STATE_DIRECTORY"), "the `folder` that keeps the last good policy (default: beside the control socket)")
	set.BoolVar(&f.version, "version", false, "print the version and end")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	if set.NArg() > 0 {
		err := fmt.Errorf("agentd takes no argument: %q", set.Arg(0))
		fmt.Fprintln(stderr, err)
		return f, err
	}
	var err error
	f.config, err = filepath.Abs(f.config)
	return f, err
}

func run(args []string, stdout, stderr io.Writer) int {
	f, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case f.version:
		fmt.Fprintf(stdout, "agentd %s\n", version)
		return exitDone
	}
	if os.Geteuid() != 0 {
		fmt.Fprintln(stderr, "agentd: the kernel's rules are written by root only: start it as root")
		return exitFailure
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends an agent that cannot end.
	context.AfterFunc(ctx, stop)
	err = serve(ctx, f, stderr)
	var bad *noPolicy
	switch {
	case errors.As(err, &bad):
		bad.writeText(stderr, isTerminal(stderr))
		return exitFailure
	case err != nil:
		fmt.Fprintf(stderr, "agentd: %v\n", err)
		return exitFailure
	}
	return exitDone
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
}
