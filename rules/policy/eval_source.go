package policy

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
)

// spoofed reports whether the source cannot be behind the interface: a container's
// address comes from its own network's bridge alone, and one of the host's from
// nowhere. What lies behind a container comes from where a route leads there. A
// source that is merely routed elsewhere may come from here.
func (e eval) spoofed() bool {
	src := e.q.Source
	if src.Is6() && src.IsLinkLocalUnicast() {
		// It means the host on one link only.
		return hasAddressOn(e.s, e.q.NIC, src) && !e.toMany()
	}
	if src.IsLoopback() {
		return !e.toMany()
	}
	if isWire(e.s, e.q.NIC) {
		return false
	}
	if isHostAddr(e.s, src) {
		return !e.toMany()
	}
	elsewhere, contained := false, false
	for _, n := range e.s.Networks {
		if n.Bridge == "" || !contains(n.Subnets, src) {
			continue
		}
		if n.Bridge == e.q.NIC {
			return false
		}
		contained = true
		// Other hosts are in the subnet of a bridge that a NIC is a port of. They may
		// come by another uplink.
		if !isSharedBridge(e.s, n.Bridge) || side(e.s, e.q.NIC) == inside {
			elsewhere = true
		}
	}
	if contained {
		return elsewhere
	}
	return leads(e.s.Routes, src, "") && !leads(e.s.Routes, src, e.q.NIC) && !leads(e.s.OtherRoutes, src, e.q.NIC)
}

// leads reports whether one of the routes leads to the address, by the link unless
// that is empty.
func leads(routes []netinfo.Route, a netip.Addr, link string) bool {
	for _, r := range routes {
		if r.Prefix.Contains(a) && (link == "" || r.Link == link) {
			return true
		}
	}
	return false
}

// toMany reports whether the packet is for a group: the host hears its own by the
// interface that they left by.
func (e eval) toMany() bool {
	dst := e.q.dst()
	if dst.IsMulticast() || dst == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return true
	}
	for _, l := range e.s.Links {
		for _, p := range l.Addrs {
			if p.Addr().Is4() && !p.Addr().IsLoopback() && p.Bits() < 31 && dst == broadcastOf(p) {
				return true
			}
		}
	}
	return false
}

func broadcastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().As4()
	for bit := p.Bits(); bit < 32; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	return netip.AddrFrom4(b)
}

// isWire reports whether the interface is a bridge that neither Docker nor the host
// has an address on: what crosses it is between others.
func isWire(s netinfo.Snapshot, nic string) bool {
	for _, n := range s.Networks {
		if n.Bridge == nic {
			return false
		}
	}
	for _, l := range s.Links {
		if l.Name != nic || l.Kind != "bridge" {
			continue
		}
		for _, p := range l.Addrs {
			if !p.Addr().IsLinkLocalUnicast() {
				return false
			}
		}
		return true
	}
	return false
}

func isSharedBridge(s netinfo.Snapshot, bridge string) bool {
	for _, l := range s.Links {
		if l.Name == bridge && hasForeignPort(s, l) {
			return true
		}
	}
	return false
}

func hasAddressOn(s netinfo.Snapshot, nic string, a netip.Addr) bool {
	for _, l := range s.Links {
		for _, p := range l.Addrs {
			if l.Name == nic && p.Addr() == a {
				return true
			}
		}
	}
	return false
}

func contains(ps []netip.Prefix, a netip.Addr) bool {
	for _, p := range ps {
		if p.Masked().Contains(a) {
			return true
		}
	}
	return false
}

// fromUnplaced judges what came from a bridge that may be Docker's: as a stranger's
// on the way to a container or its ports, as a container's on every other way.
func (e eval) fromUnplaced() Answer {
	from, at := sender(e.s, e.q), e.q.To(e.s)
	stranger := slices.Contains(e.s.Strangers, e.q.Source)
	switch {
	case len(e.p.Quarantines) > 0 && !stranger && !(at.Kind == OnHost && e.isDiscovery()):
		return framed(false, ByHeld, ClassQuarantine)
	case at.Kind == OnHost:
		if a := e.outsideToHost(); a.Class != ClassService {
			return a
		}
		return e.toHost(from)
	case at.Kind == OnBridge && at.Bridge == e.q.NIC && !e.q.DNAT.IsValid():
		return e.between(from, target{at, e.q.Port})
	case at.Kind == OnBridge:
		return e.fromOutside()
	}
	return e.egress(from)
}
