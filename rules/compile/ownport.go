package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// A container reaches the ports that it publishes itself, whatever between says: it
// dials an address of the host, and the packet comes back to it by docker-proxy
// (INPUT), or by DNAT and masquerading (FORWARD).

var byOwnPort = rules.KindOwnPort.Origin()

// ownProxied allows containers to dial their own ports, where docker-proxy serves
// them: a set holds each container's addresses with its host ports. Two containers may
// have one port on two host addresses, so each such address has a set of its own.
func (b *paths) ownProxied(c *chain) {
	c.add(b.ret(byOwnPort, b.ownPorts(netip.Addr{})))
	for _, a := range b.boundAddrs() {
		c.add(b.ret(byOwnPort, rules.Destination{Prefix: netip.PrefixFrom(a, a.BitLen())}, b.ownPorts(a)))
	}
}

// ownPorts is the set of containers' addresses with the host ports that they have at
// the host's address; if that is invalid, with those that they have at every address.
func (b *members) ownPorts(at netip.Addr) rules.InSet {
	portion := func(c netinfo.Container) (ms []rules.Member) {
		if !active(c) || !publishes(c) {
			return nil
		}
		for _, p := range c.Ports {
			bound := b.boundTo(c, p)
			if !exact(p) || bound.IsLoopback() || at.IsValid() && bound != at || !at.IsValid() && specific(bound) {
				continue
			}
			for _, a := range b.undisputed(c) {
				if !bound.IsValid() || bound.Is6() == a.Is6() {
					ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen()), Proto: p.Proto, Port: p.HostPort})
				}
			}
		}
		return ms
	}
	set := b.portSet("i", []string{at.String()}, portion, byOwnPort)
	set.Dims = []rules.Dim{rules.Src, rules.Dst}
	return set
}

// boundTo returns the host's address at which the container has the port; invalid or
// unspecified if at every address.
func (b *scope) boundTo(c netinfo.Container, p netinfo.PublishedPort) netip.Addr {
	if p.HostAddr.IsValid() {
		return p.HostAddr
	}
	return b.bindAddr(c)
}

// specific reports whether it is one address, which containers can dial.
func specific(a netip.Addr) bool { return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() }

// boundAddrs are the host's addresses at which containers have ports that they do not
// have at every address.
func (b *members) boundAddrs() []netip.Addr {
	of := func(c netinfo.Container) (as []netip.Addr) {
		for _, p := range c.Ports {
			if a := b.boundTo(c, p); active(c) && publishes(c) && exact(p) && specific(a) {
				as = append(as, a)
			}
		}
		return as
	}
	b.anyContainer(func(c netinfo.Container) bool { return len(of(c)) > 0 })
	var all []netip.Addr
	for _, c := range b.s.Containers {
		all = append(all, of(c)...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// ownForwarded allows containers to dial their own ports where DNAT and masquerading
// lead back. No set can compare a packet's source with its destination, hence a rule
// for each address. They stand in the chain itself: the guard has no room for one more
// chain on this path.
func (b *paths) ownForwarded(c *chain) {
	b.anyContainer(func(ct netinfo.Container) bool { return len(b.ownPairs(ct)) > 0 })
	for _, ct := range b.s.Containers {
		for _, pair := range b.ownPairs(ct) {
			c.add(b.ret(byOwnPort, dnat(), rules.Source{Prefix: pair[0]}, rules.Destination{Prefix: pair[1]}))
		}
	}
}

// ownPairs are the container's addresses, and those of its addresses on isolated
// networks to which DNAT may send what is for its published ports.
func (b *scope) ownPairs(c netinfo.Container) (pairs [][2]netip.Prefix) {
	if !active(c) || !publishes(c) || !slices.ContainsFunc(c.Ports, exact) {
		return nil
	}
	for _, e := range c.Endpoints {
		n, ok := b.network(e.NetworkID)
		if !ok || n.Bridge == "" || n.Internal || b.effective(n.Name, b.matterBetween()) != policy.Deny {
			continue
		}
		for _, to := range e.Addrs {
			for _, from := range b.undisputed(c) {
				if from.Is6() == to.Is6() {
					pairs = append(pairs, [2]netip.Prefix{netip.PrefixFrom(from, from.BitLen()), netip.PrefixFrom(to, to.BitLen())})
				}
			}
		}
	}
	return pairs
}

// undisputed are the container's addresses on bridges that no other container was seen
// to use.
func (b *scope) undisputed(c netinfo.Container) []netip.Addr {
	return slices.DeleteFunc(b.selected(nil, c), func(a netip.Addr) bool { return disputed(c, a) })
}
