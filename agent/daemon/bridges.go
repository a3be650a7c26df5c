package daemon

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/kernel"
	"dockwall/netinfo/hostnet"
)

// watchBridges has the bridges looked at after every change of a link: a new
// bridge, or one whose switch another program turned, is isolated again within
// milliseconds, whatever the loop is busy with.
func watchBridges(ctx context.Context, b *kernel.Bridges, log hclog.Logger) {
	hostnet.Watch(ctx, func() {
		if err := b.Look(); err != nil {
			log.Warn("showing bridged traffic to the rules", "error", err)
		}
	}, func(err error) { log.Warn("watching the bridges", "error", err) })
}
