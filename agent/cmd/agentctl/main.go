// Command agentctl checks, shows and applies what agent.hcl says.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"dockwall/agent/cli"
	"dockwall/agent/cli/system"
)

// version is stamped by the linker (make build).
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	// It is over before there would be much to collect.
	debug.SetGCPercent(300)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return cli.Main(ctx, os.Args[1:], system.Env(version))
}
