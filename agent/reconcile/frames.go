package reconcile

import (
	"errors"

	"dockwall/rules"
	"dockwall/rules/compile"
)

// framesMissing is what status says where the bridges' table cannot be written.
const framesMissing = `bridged frames are not checked, because this kernel has no nftables for bridges (CONFIG_NF_TABLES_BRIDGE): ` +
	`a container with CAP_NET_RAW can send in the name of a container on its network, frames with a VLAN tag pass between = "deny", ` +
	`and while dockwall does not run, a container that gets the address of an earlier one may do what that one was allowed`

// frame brings the bridges to the policy and the containers' ports, after the
// rules of iptables: an address that was seen at a port must restrict its container
// before frames from it pass.
func (c *cycle) frame(due Due) error {
	if c.o.Frames == nil {
		return nil
	}
	want, look := compile.Frames(c.doc.Policy, c.snapshot), due&DueKernel != 0
	if !look && (c.frameless != nil || c.framed != nil && c.framed.Equal(want)) {
		return nil
	}
	repaired, err := c.o.Frames.Put(want, look)
	if repaired {
		c.repairs++
		c.o.Log.Warn("another program changed nftables table bridge dockwall; it was put back")
	}
	if errors.Is(err, rules.ErrNoFrames) {
		if c.frameless == nil {
			c.o.Log.Warn(framesMissing, "error", err)
		}
		c.framed, c.frameless = nil, err
		return nil
	}
	if c.framed, c.frameless = nil, nil; err != nil {
		return problem{"frames", err}
	}
	c.framed = &want
	return nil
}
