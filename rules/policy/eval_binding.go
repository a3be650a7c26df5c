package policy

import (
	"net/netip"

	"dockwall/netinfo"
)

// binding is a container's claim on a dialled host port.
type binding struct {
	container     *netinfo.Container
	containerPort uint16
}

// attached is a container's place on one bridge network.
type attached struct {
	network  netinfo.Network
	endpoint netinfo.Endpoint
}

// gateways are the places that Docker may send the port to: every bridge
// network of the container but the internal ones.
func (b binding) gateways(s netinfo.Snapshot) []attached {
	var all []attached
	for _, e := range b.container.Endpoints {
		if n, ok := s.Network(e.NetworkID); ok && n.Bridge != "" && !n.Internal {
			all = append(all, attached{n, e})
		}
	}
	return all
}

// targets are the places behind the binding; one with no network where
// nothing is known of it.
func (b binding) targets(s netinfo.Snapshot) []Place {
	var all []Place
	for _, at := range b.gateways(s) {
		all = append(all, place(at.network, b.container))
	}
	if len(all) == 0 {
		all = []Place{{Kind: OnBridge, Container: b.container}}
	}
	return all
}

// publishedAt returns the containers behind the dialled host address and
// port: those that have it now, and those that may get it when they run, or
// once Docker has picked one of a range. Of several
// claims the closest counts: one port before a range, one address before
// every address of a family before every address.
func publishedAt(s netinfo.Snapshot, q Question) (running, stopped []binding) {
	best := [2]int{}
	found := [2][]binding{}
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.HostNetwork || c.SharesWith != "" {
			continue
		}
		for _, p := range c.Ports {
			which := 1
			if len(c.Endpoints) > 0 && p.HostPort == p.HostPortEnd {
				which = 0
			}
			near := nearness(s, c, p, q)
			if near == 0 || near < best[which] || which == 1 && hostHas(s, c, p, q) {
				continue
			}
			if near > best[which] {
				best[which], found[which] = near, nil
			}
			found[which] = append(found[which], binding{c, p.ContainerPort})
		}
	}
	return found[0], found[1]
}

// nearness is 0 where the published port is not what was dialled.
func nearness(s netinfo.Snapshot, c *netinfo.Container, p netinfo.PublishedPort, q Question) int {
	if p.HostPort == 0 || p.Proto != q.Proto || q.Port < p.HostPort || q.Port > p.HostPortEnd {
		return 0
	}
	host := p.HostAddr
	if !host.IsValid() {
		host = bindAddr(s, c)
	}
	near := 0
	switch {
	case !host.IsValid():
		near = 1
	case host.IsUnspecified() && host.Is6() == q.Dest.Is6():
		near = 2
	case host == q.Dest:
		near = 3
	default:
		return 0
	}
	if p.HostPort == p.HostPortEnd {
		near += 3
	}
	return near
}

// bindAddr is where the container's ports without an address are bound, if
// all the networks that may carry them agree; otherwise everywhere.
func bindAddr(s netinfo.Snapshot, c *netinfo.Container) netip.Addr {
	var a netip.Addr
	for i, at := range (binding{container: c}).gateways(s) {
		if i > 0 && at.network.BindAddr != a {
			return netip.Addr{}
		}
		a = at.network.BindAddr
	}
	return a
}

// hostHas tells that a service of the host's own has the dialled port on an
// address, of the dialled family, that the published port would be bound to:
// Docker could not bind it.
func hostHas(s netinfo.Snapshot, c *netinfo.Container, p netinfo.PublishedPort, q Question) bool {
	host := p.HostAddr
	if !host.IsValid() {
		host = bindAddr(s, c)
	}
	anywhere := !host.IsValid() || host.IsUnspecified()
	for _, l := range s.Listeners {
		if l.Dockerd || l.Proto != q.Proto || l.Port != q.Port {
			continue
		}
		everywhere := l.Addr.IsUnspecified() && (l.Addr.Is6() || q.Dest.Is4())
		if everywhere || anywhere && l.Addr.Is6() == q.Dest.Is6() || l.Addr == host {
			return true
		}
	}
	return false
}
