package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// hostNetworkPorts returns the rules that send the ports on which containers of the
// host's own network listen to the chain that judges them: they are published ports.
func (b *paths) hostNetworkPorts() []rules.Rule {
	if !b.anyContainer(func(ct netinfo.Container) bool { return len(listening(ct)) > 0 }) {
		return nil
	}
	c := b.chain(chainHostPorts)
	for _, p := range b.p.Published {
		set := b.portSet("l", append(selectorWords(p.To), portWords(p.Ports)...), func(ct netinfo.Container) []rules.Member {
			if !selects(p.To, ct, hostNetwork) {
				return nil
			}
			return slices.DeleteFunc(listening(ct), func(m rules.Member) bool { return !within(p.Ports, m.Proto, m.Port) })
		}, p.Origin)
		for _, src := range b.sources(p.From, p.Except, p.Via, p.Origin) {
			c.add(b.ret(p.Origin, concat(src, []rules.Match{set})...))
		}
	}
	b.hostNetworkDefault(c)
	// Two, because a port that is found in neither is the host's own: see emptied.go.
	return []rules.Rule{b.goTo(chainHostPorts, byDispatch, b.portSet("l", []string{"every"}, listening, byDispatch)),
		b.goTo(chainHostPorts, byDispatch, b.portSet("l", []string{"every", "again"}, listening, byDispatch))}
}

// listening returns the host addresses and ports at which processes of the container
// listen, which is on the host's network; none if it is not.
func listening(c netinfo.Container) (ms []rules.Member) {
	if !c.HostNetwork || c.SharesWith != "" {
		return nil
	}
	for _, p := range c.Ports {
		for _, a := range hostAddrs(p.HostAddr) {
			if exact(p) {
				ms = append(ms, rules.Member{Prefix: a, Proto: p.Proto, Port: p.HostPort})
			}
		}
	}
	return ms
}

// hostNetwork returns the rules that send the ports on which a block names a
// container of the host's own network to the chain that judges them, before its
// processes listen.
func (b *paths) hostNetwork() (named []rules.Rule) {
	hn := b.chain(chainHostNet)
	for _, p := range b.p.Published {
		if !b.anyContainer(func(ct netinfo.Container) bool { return names(p.To, ct) }) {
			continue
		}
		for _, r := range p.Ports {
			port := []rules.Match{rules.Proto{Proto: r.Proto}, rules.DestPort{Lo: r.Lo, Hi: r.Hi}}
			named = append(named, b.goTo(chainHostNet, p.Origin, port...))
			for _, src := range b.sources(p.From, p.Except, p.Via, p.Origin) {
				hn.add(b.ret(p.Origin, concat(src, port)...))
			}
		}
	}
	b.hostNetworkDefault(hn)
	return named
}

// hostNetworkDefault ends a chain with what holds for such containers by default.
func (b *paths) hostNetworkDefault(c *chain) {
	m := b.matterPublished()
	o := m.origin()
	for _, d := range b.networkDefaults(m) {
		if d.name == hostNetwork {
			o = d.origin
		}
	}
	if b.effective(hostNetwork, m) == policy.Deny {
		c.deny(o)
	} else {
		c.add(b.ret(o))
	}
}

// hostNetworkNext closes the ports on which a block names containers that are not
// known yet: one on the host's network may start while the agent is away. These
// rules come last, for ports that no container has or wants. What is for one of the
// host's own services gets the verdict that spare gives.
func (b *paths) hostNetworkNext(c *chain, name string, spare rules.Verdict) {
	next := b.chain(name)
	var to []rules.Rule
	var ports []policy.Ports
	for _, p := range b.p.Published {
		onHost := func(sel *policy.Selector) bool { return len(sel.Networks) == 0 || sel.OnNetwork(hostNetwork) }
		if !slices.ContainsFunc(p.To, onHost) || b.anyContainer(func(ct netinfo.Container) bool { return names(p.To, ct) }) {
			continue
		}
		for _, r := range p.Ports {
			port := []rules.Match{rules.Proto{Proto: r.Proto}, rules.DestPort{Lo: r.Lo, Hi: r.Hi}}
			c.add(b.goTo(next.name, p.Origin, port...))
			for _, src := range b.sources(p.From, p.Except, p.Via, p.Origin) {
				to = append(to, b.ret(p.Origin, concat(src, port)...))
			}
			ports = append(ports, r)
		}
	}
	if len(ports) == 0 {
		return
	}
	next.add(rules.Rule{Match: []rules.Match{b.servicesSet(ports)}, Verdict: spare, Origin: byServices})
	next.add(to...)
	b.hostNetworkDefault(next)
}

// byServices is the origin of what spares the host's own services.
var byServices = rules.KindServices.Origin()

// servicesSet is the set of the host's own services on these ports.
func (b *members) servicesSet(ports []policy.Ports) rules.InSet {
	all := func(hostPort) bool { return true }
	members := func(at func(hostPort) bool) (ms []rules.Member) {
		for _, l := range b.s.Listeners {
			if l.Dockerd || l.Container || !within(ports, l.Proto, l.Port) || !at(hostPort{l.Proto, l.Port}) {
				continue
			}
			addrs := hostAddrs(l.Addr)
			if l.Addr.IsUnspecified() && l.Addr.Is6() {
				addrs = hostAddrs(netip.Addr{}) // it serves IPv4 as well
			}
			for _, a := range addrs {
				ms = append(ms, rules.Member{Prefix: a, Proto: l.Proto, Port: l.Port})
			}
		}
		return ms
	}
	none := func(netinfo.Container) []rules.Member { return nil }
	set := b.portSet("o", portWords(ports), none, byServices, members(all)...)
	b.listening(set.Set, func(changed map[hostPort]bool) []rules.Member {
		return members(func(at hostPort) bool { return changed[at] })
	})
	return set
}
