package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// between builds what containers may reach of each other through FORWARD: on
// one bridge where the kernel shows it (see Isolated), and from one bridge to
// another. The target's network decides.
func (b *paths) between() {
	b.acrossBridges()
	c := b.chain(chainBetween)
	m := b.matterBetween()
	if !b.denies(m) {
		c.add(b.ret(m.origin()))
		return
	}
	b.byNetwork(m, out,
		func(o rules.Origin, ms ...rules.Match) { c.add(b.ret(o, ms...)) },
		func(o rules.Origin, ms ...rules.Match) { c.add(b.goTo(chainIsolated, o, ms...)) })
	b.isolated()
}

// acrossBridges refuses what is routed from one network straight to a container
// of another, past its published ports. Docker's own isolation does the same,
// but not with --iptables=false, nor while its chains are away.
//
// What it lets pass makes an entry of connection tracking, by which the answers pass,
// and later packets of both sides, wherever they are routed. So a packet from or to an
// address outside the Docker networks, which crosses a bridge without being routed,
// has to be allowed by egress as well: both containers and strangers can send it.
func (b *paths) acrossBridges() {
	c := b.chain(chainAcross)
	cutting{b}.holdTowards(c)
	toMany, stray := b.sourcesSet("groups and links", rules.Dst, append(slices.Clone(b.own.groups), linkLocal)), b.notContainers()
	c.add(b.goTo(chainBetween, byDispatch, stray, toMany), b.jump(chainEgress, byDispatch, stray))
	c.add(b.goTo(chainBetween, byDispatch, dnat()))
	for _, p := range b.onBridges() {
		c.add(b.goTo(chainBetween, byDispatch, in(p.at), out(p.at), rules.Destination{Prefix: p.addr}))
	}
	if b.anyRouted() {
		all := func(netinfo.Container, netinfo.Network, netinfo.PublishedPort) bool { return true }
		c.add(b.goTo(chainBetween, byDispatch, b.portSet("r", []string{"default"}, b.routed(all), b.matterPublished().origin())))
	}
	direct := b.chain(chainDirect)
	for _, p := range b.subnets() {
		c.add(b.goTo(direct.name, byDirect, rules.Destination{Prefix: p}))
	}
	direct.deny(byDirect)
	for at, ps := range byLink(b.own.behind) {
		c.add(b.goTo(chainBetween, byDispatch, out(at), b.sourcesSet("behind "+at.name+" by its bridge", rules.Dst, ps)))
	}
	c.add(b.goTo(chainBetween, byDispatch, toMany), b.jump(chainEgress, byDispatch), b.goTo(chainBetween, byDispatch))
}

// onBridges are the addresses that are directly on the bridge of each network. Those of
// an unplaced bridge are not among them: on another bridge they are strays.
func (b *members) onBridges() []at {
	all := slices.Concat(b.own.places, b.own.shared)
	known := b.knownBridges()
	for _, l := range b.s.Links {
		named, ok := linkOf(l.Name)
		if !ok || !slices.Contains(known, named) {
			continue
		}
		for _, p := range l.Addrs {
			if !p.Addr().IsLinkLocalUnicast() {
				all = append(all, at{p.Masked(), named})
			}
		}
	}
	slices.SortFunc(all, compareAt)
	return slices.Compact(all)
}

// notContainers holds for sources that are neither a container's nor behind one, and
// that can be routed.
func (b *members) notContainers() rules.InSet {
	ps := policy.SortPrefixes(append(slices.Concat(addrsOf(b.onBridges()), addrsOf(b.own.behind)), linkLocal))
	m := b.sourcesSet("on bridges", rules.Src, slices.Compact(ps))
	m.Not = true
	return m
}

// subnets are all that Docker's bridge networks may give to containers: the address
// of one that started a moment ago is in them already.
func (b *scope) subnets() []netip.Prefix {
	var ps []netip.Prefix
	for _, n := range b.s.Networks {
		for _, p := range n.Subnets {
			if n.Bridge != "" {
				ps = append(ps, p.Masked())
			}
		}
	}
	for _, l := range b.s.Links {
		for _, a := range l.Addrs {
			if looksDocker(l) && !a.Addr().IsLinkLocalUnicast() {
				ps = append(ps, a.Masked())
			}
		}
	}
	return policy.SortPrefixes(ps)
}

// isolated lets the between blocks through and nothing else.
func (b *paths) isolated() {
	c := b.chain(chainIsolated)
	b.neighbours(c)
	for _, p := range b.p.Between {
		sets := []rules.Match{b.containerSet(p.From, rules.Src, p.Origin), b.containerSet(p.To, rules.Dst, p.Origin)}
		for _, port := range portMatches(p.Ports) {
			c.add(b.ret(p.Origin, concat(port, sets)...))
		}
	}
	b.asking(c)
	b.askingPublished(c)
	b.ownForwarded(c)
	b.denyByNetwork(c, b.matterBetween(), out)
}

// denyByNetwork ends a chain that only denied traffic reaches, naming the
// network block where there is one.
func (b *paths) denyByNetwork(c *chain, m matter, side func(link) rules.Match) {
	last := m.origin()
	for _, d := range b.networkDefaults(m) {
		if d.action != policy.Deny {
			continue
		}
		for _, l := range d.links {
			c.deny(d.origin, side(l))
		}
		if len(d.links) == 0 && m.general == policy.Allow {
			last = d.origin
		}
	}
	c.deny(last)
}

// hairpin builds what containers may reach of each other through a published
// port and docker-proxy, in INPUT. It is container to container: the target's
// network decides, and the ports are the container's own.
func (b *paths) hairpin() {
	c := b.chain(chainHairpin)
	m := b.matterBetween()
	if !b.denies(m) {
		c.add(b.ret(m.origin(), b.servingAll(m)))
		c.add(b.goTo(chainServices, byDispatch))
		return
	}
	b.proxyDefaults(c, m, func(o rules.Origin, ms ...rules.Match) { c.add(b.goTo(chainIsoProxy, o, ms...)) })
	// What a stopped container would publish belongs to no container now but, perhaps, the
	// host's.
	c.add(b.goTo(chainServices, byDispatch))
	b.isolatedProxy(m)
}

func (b *paths) isolatedProxy(m matter) {
	c := b.chain(chainIsoProxy)
	for _, p := range b.p.Between {
		ms := b.proxied(func(ct netinfo.Container, port netinfo.PublishedPort) bool {
			return within(p.Ports, port.Proto, port.ContainerPort) && b.behind(p.To, ct)
		})
		words := slices.Concat([]string{"own"}, selectorWords(p.To), portWords(p.Ports))
		c.add(b.ret(p.Origin, b.containerSet(p.From, rules.Src, p.Origin), b.portSet("p", words, ms, p.Origin)))
	}
	b.asking(c)
	b.ownProxied(c)
	for _, d := range b.networkDefaults(m) {
		if d.action == policy.Deny {
			c.deny(d.origin, b.behindNetwork(m, d))
		}
	}
	_, o := b.forUnknown(m)
	c.deny(o)
}

// portMatches returns the alternatives of a list of ports; none listed: one
// alternative that asks for nothing.
func portMatches(ports []policy.Ports) [][]rules.Match {
	if len(ports) == 0 {
		return [][]rules.Match{nil}
	}
	var alts [][]rules.Match
	for _, p := range ports {
		switch p.Proto {
		case netinfo.ICMP:
			alts = append(alts, echo4.matches())
		case netinfo.ICMPv6:
			alts = append(alts, echo6.matches())
		default:
			alts = append(alts, []rules.Match{rules.Proto{Proto: p.Proto}, rules.DestPort{Lo: p.Lo, Hi: p.Hi}})
		}
	}
	return alts
}
