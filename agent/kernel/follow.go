package kernel

import (
	"context"
	"errors"
	"fmt"

	"dockwall/netinfo/hostnet"
)

// Follow calls changed with the cause whenever another program commits something to
// nftables, iptables-nft included, that dockwall's rules depend on, and mapped
// whenever a program changes a nat table, as Docker does to publish a port. Changes
// that the kernel gives no notice of have to be looked for. It returns when ctx ends,
// or at once without an error if the kernel has no nftables.
func (k *Kernel) Follow(ctx context.Context, mapped func(), changed func(cause string)) error {
	relevant := func(p hostnet.Place) bool {
		if p.Table == "nat" {
			mapped()
		}
		return k.Watched(p)
	}
	err := hostnet.Generations(ctx, relevant, func(g hostnet.Generation) {
		switch {
		case g == hostnet.Generation{}:
			changed("something may have changed the kernel unseen")
		case g.Relevant && !k.Own(g):
			changed(fmt.Sprintf("%s changed the kernel's rules", g.Process))
		}
	}, func(err error) { k.log.Warn("watching the kernel's rules", "error", err) })
	if errors.Is(err, hostnet.ErrNoNFTables) {
		k.log.Info("this kernel has no nftables, and gives no notice of changes: they are looked for")
		return nil
	}
	return err
}

// Follow has the bridges looked at after every change of a link, until ctx ends: a
// new bridge, or one whose switch another program turned, is isolated again within
// milliseconds, whatever the caller is busy with. failed gets what went wrong.
func (b *Bridges) Follow(ctx context.Context, failed func(doing string, err error)) {
	hostnet.Watch(ctx, func() {
		if err := b.Look(); err != nil {
			failed("showing bridged traffic to the rules", err)
		}
	}, func(err error) { failed("watching the bridges", err) })
}
