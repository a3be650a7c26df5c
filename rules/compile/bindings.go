package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

var (
	any4 = netip.MustParsePrefix("0.0.0.0/0")
	any6 = netip.MustParsePrefix("::/0")
)

// hostAddrs returns what a port's host address stands for: itself, all of its
// family, or everything.
func hostAddrs(a netip.Addr) []netip.Prefix {
	switch {
	case !a.IsValid():
		return []netip.Prefix{any4, any6}
	case a.IsUnspecified() && a.Is4():
		return []netip.Prefix{any4}
	case a.IsUnspecified():
		return []netip.Prefix{any6}
	}
	return []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}
}

// hostMembers returns the set members of one published port of the container:
// every host address and port that it may be.
func (b *members) hostMembers(c netinfo.Container, p netinfo.PublishedPort) []rules.Member {
	if p.HostPort == 0 {
		return nil
	}
	at := b.boundTo(c, p)
	var ms []rules.Member
	for port := int(p.HostPort); port <= int(max(p.HostPort, p.HostPortEnd)); port++ {
		for _, a := range hostAddrs(at) {
			ms = append(ms, rules.Member{Prefix: a, Proto: p.Proto, Port: uint16(port)})
		}
	}
	return ms
}

// bindAddr is where the container's ports without an address are bound, where
// the networks that may carry them agree; invalid: everywhere.
func (b *scope) bindAddr(c netinfo.Container) netip.Addr {
	var a netip.Addr
	for i, n := range b.gateways(c) {
		if i > 0 && n.BindAddr != a {
			return netip.Addr{}
		}
		a = n.BindAddr
	}
	return a
}

// exact reports whether the port is the one that Docker uses, not a range of
// candidates.
func exact(p netinfo.PublishedPort) bool { return p.HostPort != 0 && p.HostPortEnd <= p.HostPort }

// active reports whether the container can be reached: it has an address, which it
// gets before its process runs and loses when that ends.
func active(c netinfo.Container) bool { return len(c.Endpoints) > 0 }

// publishes reports whether Docker binds host ports for the container.
func publishes(c netinfo.Container) bool { return !c.HostNetwork && c.SharesWith == "" }

const publishedPortsKind = "h"

// publishedPortsSet is the name of publishedPorts.
var publishedPortsSet = rules.PurposeName(publishedPortsKind)

// publishedPorts is the set of every port that a container publishes, or will
// when it starts: closed before docker-proxy listens. Ports that a stopped
// container would publish are left out if a service of the host has them.
func (b *members) publishedPorts() rules.InSet { return b.publishedPortsNamed() }

// publishedPortsNamed is publishedPorts as the set that words distinguish from
// others of the same members.
func (b *members) publishedPortsNamed(words ...string) rules.InSet {
	var served []rules.Member
	for _, p := range b.s.Proxies {
		served = append(served, b.hostMembers(netinfo.Container{}, p)...)
	}
	set := b.portSet(publishedPortsKind, words, b.closing, rules.KindPublished.Origin(), served...)
	b.listening(set.Set, func(ports map[hostPort]bool) (ms []rules.Member) {
		for _, c := range b.s.Containers {
			c.Ports = slices.DeleteFunc(slices.Clone(c.Ports), func(p netinfo.PublishedPort) bool { return !covers(p, ports) })
			ms = append(ms, b.closing(c)...)
		}
		return slices.DeleteFunc(ms, func(m rules.Member) bool { return !ports[hostPort{m.Proto, m.Port}] })
	})
	return set
}

// covers reports whether the published port may be one of the ports.
func covers(p netinfo.PublishedPort, ports map[hostPort]bool) bool {
	if p.HostPort == 0 {
		return false
	}
	if exact(p) {
		return ports[hostPort{p.Proto, p.HostPort}]
	}
	for at := range ports {
		if at.proto == p.Proto && p.HostPort <= at.port && at.port <= p.HostPortEnd {
			return true
		}
	}
	return false
}

// closing is the container's portion of publishedPorts.
func (b *members) closing(c netinfo.Container) []rules.Member {
	var ms []rules.Member
	if !publishes(c) {
		return nil
	}
	for _, p := range c.Ports {
		for _, m := range b.hostMembers(c, p) {
			if active(c) && exact(p) || !b.hosts.at(m) {
				ms = append(ms, m)
			}
		}
	}
	return ms
}

// proxied returns the host addresses and ports behind which a container that
// want accepts answers, where docker-proxy takes the connection.
func (b *members) proxied(want func(c netinfo.Container, p netinfo.PublishedPort) bool) portion {
	return func(c netinfo.Container) []rules.Member {
		if !active(c) || !publishes(c) {
			return nil
		}
		var ms []rules.Member
		for _, p := range c.Ports {
			if exact(p) && want(c, p) {
				ms = append(ms, b.hostMembers(c, p)...)
			}
		}
		return ms
	}
}

// routed returns the container addresses and ports that are reached without
// DNAT because their network is in routed mode.
func (b *members) routed(want func(c netinfo.Container, n netinfo.Network, p netinfo.PublishedPort) bool) portion {
	return func(c netinfo.Container) []rules.Member {
		var ms []rules.Member
		for _, e := range c.Endpoints {
			n, ok := b.network(e.NetworkID)
			if !ok {
				continue
			}
			for _, a := range e.Addrs {
				if n.Mode(a.Is6()) != netinfo.GatewayRouted {
					continue
				}
				for _, p := range c.Ports {
					if want(c, n, p) {
						ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen()), Proto: p.Proto, Port: p.ContainerPort})
					}
				}
			}
		}
		return ms
	}
}

func (b *scope) anyRouted() bool {
	return slices.ContainsFunc(b.s.Networks, func(n netinfo.Network) bool {
		return n.Mode4 == netinfo.GatewayRouted || n.Mode6 == netinfo.GatewayRouted
	})
}

// gateways are the networks that Docker may lead the container's published
// ports through, in order of name: which one it is may change, and only
// docker-proxy's arguments tell.
func (b *scope) gateways(c netinfo.Container) []netinfo.Network {
	var ns []netinfo.Network
	for _, e := range c.Endpoints {
		if n, ok := b.network(e.NetworkID); ok && n.Bridge != "" && !n.Internal {
			ns = append(ns, n)
		}
	}
	slices.SortFunc(ns, func(x, y netinfo.Network) int { return compareStrings(x.Name, y.Name) })
	return ns
}

// behind reports whether the selectors choose the container wherever its published
// ports may lead.
func (b *scope) behind(sels []*policy.Selector, c netinfo.Container) bool {
	ns := b.gateways(c)
	if len(ns) == 0 {
		return selects(sels, c, "")
	}
	return !slices.ContainsFunc(ns, func(n netinfo.Network) bool { return !selects(sels, c, n.Name) })
}

// within reports whether the port is one of those listed; none listed: any.
func within(ports []policy.Ports, proto rules.Protocol, port uint16) bool {
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p policy.Ports) bool { return p.Contains(proto, port) })
}

func portWords(ports []policy.Ports) []string {
	var ws []string
	for _, p := range ports {
		ws = append(ws, p.Proto.String(), fmtRange(p.Lo, p.Hi))
	}
	return ws
}
