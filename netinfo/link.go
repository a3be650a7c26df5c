package netinfo

import (
	"net/netip"
	"slices"
)

// Addr and Prefix are netip's, named here because facts are made of them.
type (
	Addr   = netip.Addr
	Prefix = netip.Prefix
)

// Link is a network interface of the host's namespace.
type Link struct {
	Index int    `json:"index"`
	Name  string `json:"name"`
	// Kind is the kernel's link kind ("bridge", "veth", "vlan", "wireguard");
	// empty for a plain device.
	Kind string `json:"kind,omitempty"`
	// Master is the index of the bridge or bond this link is a port of; 0: none.
	Master int  `json:"master,omitempty"`
	Up     bool `json:"up,omitempty"`
	// Addrs are the link's addresses with their prefix length, host bits kept
	// (192.0.2.7/24), link-local ones included.
	Addrs []Prefix `json:"addrs,omitempty"`
	// Unplaced tells that the engine has not been asked since the link came
	// whether it is one of its bridges. Such a link is treated as if it were.
	Unplaced bool `json:"unplaced,omitempty"`
	// Peer is the Ethernet address (02:42:ac:11:00:02) that the other end of this
	// veth had when a container's network got it. It never changes afterwards, even
	// if the container gives its end another address. Empty: the link is no veth
	// into another network namespace, or two ports of one bridge claim the address.
	Peer string `json:"peer,omitempty"`
}

func (l *Link) normalize() {
	slices.SortFunc(l.Addrs, func(a, b Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	l.Addrs = slices.Compact(l.Addrs)
}
