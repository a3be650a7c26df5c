package explain

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/rules/published"
)

// dests are the addresses that the sender dials.
func (q *inquiry) dests(f sender) []netip.Addr {
	if q.to.host {
		return q.hostAddrs(f)
	}
	if q.to.container == nil {
		return []netip.Addr{q.to.addr}
	}
	var all []netip.Addr
	for _, e := range q.to.container.Endpoints {
		if f.inside() && e.NetworkID == f.network {
			return e.Addrs
		}
		all = append(all, e.Addrs...)
	}
	return all
}

// hostAddrs are the host's addresses that the sender dials for the port: if it is
// published, one for each container that answers somewhere, otherwise the nearest.
func (q *inquiry) hostAddrs(f sender) []netip.Addr {
	near := q.near(f)
	x := published.New(&q.s)
	var all []netip.Addr
	done := map[string]bool{}
	for _, a := range near {
		at := x.At(q.proto, netip.AddrPortFrom(a, q.to.port))
		if who := behind(at); who != "" && !done[who] {
			done[who] = true
			all = append(all, a)
		}
	}
	if len(all) == 0 && len(near) > 0 {
		return near[:1]
	}
	return all
}

// behind is a key of the containers and ports that answer; empty if nothing
// is published there now.
func behind(a published.Answer) string {
	if !a.Served() && len(a.HostNetwork) == 0 {
		return ""
	}
	who := fmt.Sprint(a.Proxied, len(a.HostNetwork))
	for _, c := range a.Now {
		who += fmt.Sprintf(" %s:%d", c.Container.ID, c.Port.ContainerPort)
	}
	return who
}

// near are the host's addresses of the sender's family, the nearest first: those of
// the interface that the packet comes in by, those of other interfaces, and those of
// Docker's bridges.
func (q *inquiry) near(f sender) []netip.Addr {
	docker := map[string]bool{}
	for _, n := range q.s.Networks {
		docker[n.Bridge] = true
	}
	var groups [3][]netip.Addr
	for _, l := range q.s.Links {
		for _, p := range l.Addrs {
			a := p.Addr()
			switch {
			case a.Is6() != f.addr.Is6() || a.IsLinkLocalUnicast() != f.addr.IsLinkLocalUnicast():
			case l.Name == f.nic:
				groups[0] = append(groups[0], a)
			case docker[l.Name]:
				groups[2] = append(groups[2], a)
			case l.Name != "lo":
				groups[1] = append(groups[1], a)
			}
		}
	}
	return slices.Concat(groups[0], groups[1], groups[2])
}
