package dataplane

import (
	"context"
	"errors"
	"fmt"

	"dockwall/netinfo/hostnet"
)

// Bridges are the bridges of this network namespace.
type Bridges struct {
	kernel *Kernel
	// tried: the module was asked for, and asking again changes nothing.
	tried error
}

// Bridges returns the bridges of the kernel's namespace.
func (k *Kernel) Bridges() *Bridges { return &Bridges{kernel: k} }

// EnsureBridgeNF has the kernel show bridged traffic of both families to
// iptables. Without it containers on one network meet no rule on their way to
// each other.
func (b *Bridges) EnsureBridgeNF() error {
	err := hostnet.SetBridgeNFCall(true, true)
	if !errors.Is(err, hostnet.ErrNoBridgeNetfilter) {
		return err
	}
	if b.tried == nil {
		// The unit has it loaded at boot, and may not load modules itself.
		_, b.tried = b.kernel.command(context.Background(), []string{"modprobe", "br_netfilter"}, "")
		if b.tried == nil {
			return hostnet.SetBridgeNFCall(true, true)
		}
	}
	return fmt.Errorf("%w, and it could not be loaded: %w", err, b.tried)
}
