package kernel

import (
	"fmt"

	"dockwall/agent/kernel/nftlink"
)

// neededMatches are iptables' matches that a policy cannot do without, in a revision that
// every kernel since Linux 4.x has.
var neededMatches = []struct {
	name     string
	revision uint32
}{{"comment", 0}, {"conntrack", 3}, {"set", 3}, {"limit", 0}, {"tcp", 0}, {"udp", 0}}

// missingExtension names an extension of iptables-nft that a policy needs and that the
// kernel has not; nil if all are there, or if that cannot be found out.
func missingExtension() error {
	c, err := nftlink.Dial()
	if err != nil {
		return nil
	}
	defer c.Close()
	for _, m := range neededMatches {
		if c.LacksMatch(m.name, m.revision) {
			return fmt.Errorf("the kernel has no module xt_%s", m.name)
		}
	}
	return nil
}
