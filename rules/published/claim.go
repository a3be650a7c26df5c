package published

import (
	"net/netip"

	"dockwall/netinfo"
)

// Claim is a container's port on the host.
type Claim struct {
	Container *netinfo.Container
	// Port is as it is published. Its HostAddr is where Docker binds it (Bind).
	Port netinfo.PublishedPort
}

// claimsOf returns the ports that the container publishes on the host, as far as
// Docker has picked them.
func claimsOf(s *netinfo.Snapshot, c *netinfo.Container, want func(netinfo.PublishedPort) bool) []Claim {
	if c.HostNetwork || c.SharesWith != "" {
		return nil
	}
	var all []Claim
	for _, p := range c.Ports {
		if p.HostPort == 0 || !want(p) {
			continue
		}
		p.HostAddr = Bind(s, c, p)
		all = append(all, Claim{c, p})
	}
	return all
}

// now reports whether the container has the port already: it has an address,
// which it gets before its process runs, and Docker has chosen the port.
func (c Claim) now() bool { return len(c.Container.Endpoints) > 0 && exact(c.Port) }

// covers reports whether the port is, or may be, the given one.
func (c Claim) covers(proto netinfo.Protocol, port uint16) bool {
	return covers(c.Port, proto, port)
}

func covers(p netinfo.PublishedPort, proto netinfo.Protocol, port uint16) bool {
	return p.HostPort != 0 && p.Proto == proto && p.HostPort <= port && port <= max(p.HostPort, p.HostPortEnd)
}

// nearness is how closely the claim matches the host address, 0 if it does not.
// Any exact port is closer than any range of candidates.
func (c Claim) nearness(host netip.Addr) int {
	near := reach(c.Port.HostAddr, host)
	if near > 0 && exact(c.Port) {
		near += 3
	}
	return near
}

// hostHas reports whether a service of the host's own has the port on an address,
// of the dialled family, to which the claim's port would be bound: Docker could
// not bind it.
func hostHas(ls []netinfo.Listener, c Claim, host netip.AddrPort) bool {
	bound := c.Port.HostAddr
	anywhere := !bound.IsValid() || bound.IsUnspecified()
	for _, l := range ls {
		if l.Dockerd || l.Proto != c.Port.Proto || l.Port != host.Port() {
			continue
		}
		if everywhere(l, host.Addr()) || anywhere && l.Addr.Is6() == host.Addr().Is6() || l.Addr == bound {
			return true
		}
	}
	return false
}

// everywhere reports whether the listener accepts on every address of the host
// address' family. A socket on :: accepts IPv4 too.
func everywhere(l netinfo.Listener, host netip.Addr) bool {
	return l.Addr.IsUnspecified() && (l.Addr.Is6() || host.Is4())
}
