package policy

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
)

// APIAddrs returns the addresses by which other hosts reach Docker's API where it
// listens on at: that address or, where it listens on every one, those of the NICs
// that the block names with via, or else of every NIC that is neither a Docker
// bridge, a container's link nor the loopback. The block may be nil.
func APIAddrs(a *DockerAPI, s netinfo.Snapshot, at netip.Addr) []netip.Addr {
	if at.IsValid() && !at.IsUnspecified() {
		return []netip.Addr{at}
	}
	var all []netip.Addr
	for _, l := range s.Links {
		if !carriesAPI(a, s, l) {
			continue
		}
		for _, p := range l.Addrs {
			if dialled := p.Addr(); dialled.IsGlobalUnicast() && (dialled.Is4() || !at.Is4()) {
				all = append(all, dialled)
			}
		}
	}
	return all
}

func carriesAPI(a *DockerAPI, s netinfo.Snapshot, l netinfo.Link) bool {
	if a != nil && len(a.Via) > 0 {
		return slices.ContainsFunc(a.Via, func(i *Interfaces) bool { return i.Matches(l) })
	}
	dockers := slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Bridge == l.Name && n.Bridge != "" })
	return l.Name != "lo" && !dockers && (l.Kind != "veth" || l.Peer == "")
}
