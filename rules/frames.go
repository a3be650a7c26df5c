package rules

import (
	"errors"
	"slices"

	"dockwall/netinfo"
)

// ErrNoFrames means that the kernel has no nftables for bridges.
var ErrNoFrames = errors.New("this kernel has no nftables for bridges (CONFIG_NF_TABLES_BRIDGE)")

// Frames says which Ethernet frames pass the bridges: the table `bridge dockwall`
// of nftables, which works beside both variants of iptables. Ports are ifindexes.
//
// An address in Places belongs to its ports: a frame from it that comes in by
// another port, and a frame to it that leaves by another port, is dropped. So a
// container cannot send as its neighbour, and a port that came while no agent ran
// gets nothing of what an address was allowed that it took over.
type Frames struct {
	// Places are the addresses that the engine gave to containers whose port is
	// known. Sorted.
	Places []netinfo.Place
	// Foreign are the ports of bridges that are not Docker's: no frame of theirs is
	// dropped. A port that is not known is not among them.
	Foreign []int
	// NoTags: frames with a VLAN tag do not pass from one port to another, except
	// from Foreign and Tagged. br_netfilter hides them from iptables, and the
	// receiver takes a tag of VLAN 0 off.
	NoTags bool
	// Tagged are the ports of Docker networks that do not isolate containers.
	Tagged []int
	// Hold: what a container sends to the host, or through it, from an address that
	// is not in Places or Seen at its port is dropped and reported to Group, since a
	// block may restrict that container. What comes by a port that is no known
	// container's is only reported.
	Hold bool
	// Group is the NFLOG group, and Prefix the prefix of reports of packets that are
	// dropped. Those that are not dropped have none.
	Group  uint16
	Prefix string
	// Seen are further addresses that the agent knows of, for Hold. Sorted.
	Seen []netinfo.Place
	// Guard is what spoofing = "deny" adds.
	Guard Guard
}

// SameRules reports whether both need the same rules, and so differ at most in
// members of sets.
func (f Frames) SameRules(o Frames) bool {
	return f.NoTags == o.NoTags && f.Hold == o.Hold && f.Group == o.Group && f.Prefix == o.Prefix && f.Guard.sameRules(o.Guard)
}

// Equal reports whether both are the same.
func (f Frames) Equal(o Frames) bool {
	return f.SameRules(o) && slices.Equal(f.Places, o.Places) && slices.Equal(f.Foreign, o.Foreign) &&
		slices.Equal(f.Tagged, o.Tagged) && slices.Equal(f.Seen, o.Seen) && f.Guard.equal(o.Guard)
}

// Known returns the addresses of Places, sorted, each once.
func (f Frames) Known() []netinfo.Addr {
	known := make([]netinfo.Addr, 0, len(f.Places))
	for _, p := range f.Places {
		known = append(known, p.Addr)
	}
	slices.SortFunc(known, netinfo.Addr.Compare)
	return slices.Compact(known)
}

// Bound returns the ports of Places, sorted, each once.
func (f Frames) Bound() []int {
	bound := make([]int, 0, len(f.Places))
	for _, p := range f.Places {
		bound = append(bound, p.Port)
	}
	slices.Sort(bound)
	return slices.Compact(bound)
}
