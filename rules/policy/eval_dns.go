package policy

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// orNameServer is the answer, unless that denies and what is asked is a name server that
// Docker's resolver uses for the container: it may ask that, wherever it is, unless dns
// denies.
func (e eval) orNameServer(from Place, a Answer) Answer {
	if a.Allow || from.Container == nil || !e.isItsOwn(from) || e.q.Proto != netinfo.TCP && e.q.Proto != netinfo.UDP {
		return a
	}
	if dns := e.p.byDefault(rules.KindDNS, from.Network, a.Class); dns.Allow && slices.ContainsFunc(e.nameServers(from.Container), e.isAsked) {
		return dns
	}
	return a
}

// nameServers are those of the container.
func (e eval) nameServers(c *netinfo.Container) []netip.Addr {
	if len(c.NameServers) > 0 {
		return c.NameServers
	}
	return e.s.NameServers
}

const dnsPort = 53

// isAsked reports whether the question is for the name server: it is dialled, DNAT leads
// to it, or DNAT leads to the container that has the port at that address of the host.
func (e eval) isAsked(server netip.Addr) bool {
	if !e.q.DNAT.IsValid() {
		return e.q.Port == dnsPort && e.q.Dest == server
	}
	if e.q.DNAT == netip.AddrPortFrom(server, dnsPort) {
		return true
	}
	if e.q.Port != dnsPort || !isHostAddr(e.s, server) || server.Is6() != e.q.DNAT.Addr().Is6() {
		return false
	}
	q := e.q
	q.Dest = server
	running, _ := publishedAt(e.s, q)
	to := Locate(e.s, e.q.DNAT.Addr()).Container
	for _, claim := range running {
		if to != nil && claim.Container.ID == to.ID && claim.Port.ContainerPort == e.q.DNAT.Port() {
			return true
		}
	}
	return false
}
