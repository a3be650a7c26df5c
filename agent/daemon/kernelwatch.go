package daemon

import (
	"context"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/facts"
	"dockwall/agent/kernel"
	"dockwall/agent/reconcile"
	"dockwall/netinfo/hostnet"
)

// watchKernel pokes the loop whenever another program commits something to
// nftables, iptables-nft included, and has the host's sockets looked at when
// Docker maps a port. What the kernel gives no notice of, the
// loop probes for.
func watchKernel(ctx context.Context, l *reconcile.Loop, k *kernel.Kernel, c *facts.Collector, log hclog.Logger) error {
	relevant := func(p hostnet.Place) bool {
		if p.Table == "nat" {
			c.Look()
		}
		return k.Watched(p)
	}
	err := hostnet.Generations(ctx, relevant, func(g hostnet.Generation) {
		switch {
		case g == hostnet.Generation{}:
			l.Poke(reconcile.DueKernel, "something may have changed the kernel unseen")
		case g.Relevant && !k.Own(g):
			l.Poke(reconcile.DueKernel, fmt.Sprintf("%s changed the kernel's rules", g.Process))
		}
	}, func(err error) { log.Warn("watching the kernel's rules", "error", err) })
	if errors.Is(err, hostnet.ErrNoNFTables) {
		log.Info("this kernel has no nftables, and gives no notice of changes: they are looked for")
		return nil
	}
	return err
}
