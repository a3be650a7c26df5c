package compile

import (
	"fmt"
	"slices"
	"strconv"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

func fmtRange(lo, hi uint16) string { return fmt.Sprintf("%d-%d", lo, hi) }

// published builds what outside may reach of containers through FORWARD: the
// published ports by the host port that was dialled, networks in routed mode by
// the container's, and nothing else.
func (b *paths) published() {
	c := b.chain(chainPublished)
	cutting{b}.holdTowards(c, dnat())
	c.add(b.stamp())
	routed := b.anyRouted()
	var way fork
	for _, p := range b.p.Published {
		for _, src := range b.sources(p.From, p.Except, p.Via, p.Origin) {
			var to []rules.Match
			if len(p.To) > 0 {
				to = []rules.Match{b.containerSet(p.To, rules.Dst, p.Origin)}
			}
			b.dnatRules(&way, src, to, p)
			if routed {
				way.add(b.ret(p.Origin, concat(src, []rules.Match{b.routedSet(p)})...))
			}
		}
	}
	b.publishedDefaults(way.write(c), routed)
}

// dnatRules allows the block's ports, one rule for each range.
func (b *paths) dnatRules(way *fork, src, to []rules.Match, p *policy.Published) {
	if len(p.Ports) == 0 {
		way.add(b.ret(p.Origin, concat(src, to, []rules.Match{dnat()})...))
	}
	for _, r := range p.Ports {
		way.addPorts(r, b.ret(p.Origin, concat(src, []rules.Match{rules.Proto{Proto: r.Proto}}, to, []rules.Match{dialled(r)})...))
	}
}

// dialled holds for what came to one of these published ports.
func dialled(r policy.Ports) rules.Conn {
	c := dnat()
	c.OrigDestLo, c.OrigDestHi = r.Lo, r.Hi
	return c
}

func (b *members) routedSet(p *policy.Published) rules.InSet {
	ms := b.routed(func(c netinfo.Container, n netinfo.Network, port netinfo.PublishedPort) bool {
		return selects(p.To, c, n.Name) && within(p.Ports, port.Proto, port.ContainerPort)
	})
	return b.portSet("r", append(selectorWords(p.To), portWords(p.Ports)...), ms, p.Origin)
}

// publishedDefaults ends the chain with what holds where no block spoke.
func (b *paths) publishedDefaults(c *chain, routed bool) {
	m := b.matterPublished()
	byDefault := func(way rules.Match) {
		b.byNetwork(m, out,
			func(o rules.Origin, ms ...rules.Match) { c.add(b.ret(o, concat(ms, []rules.Match{way})...)) },
			func(o rules.Origin, ms ...rules.Match) { c.deny(o, concat(ms, []rules.Match{way})...) })
	}
	byDefault(dnat())
	b.direct(c)
	straight := b.matterDirect()
	if routed {
		all := func(netinfo.Container, netinfo.Network, netinfo.PublishedPort) bool { return true }
		byDefault(b.portSet("r", []string{"default"}, b.routed(all), m.origin()))
		if b.allows(straight) {
			// If the set is empty, a port in it passes for a direct packet: see emptied.go.
			byDefault(b.portSet("r", []string{"default", "again"}, b.routed(all), m.origin()))
			b.unknownRouted(c, m, straight)
		}
	}
	b.byNetwork(straight, out,
		func(o rules.Origin, ms ...rules.Match) { c.add(b.ret(o, ms...)) },
		func(o rules.Origin, ms ...rules.Match) { c.deny(o, ms...) })
}

// proxy builds what outside may reach of docker-proxy, in INPUT: the same
// answers as published gives, by the host address and port.
func (b *paths) proxy() {
	c := b.chain(chainProxy)
	for _, p := range b.p.Published {
		ms := b.proxied(func(ct netinfo.Container, port netinfo.PublishedPort) bool {
			return within(p.Ports, port.Proto, port.HostPort) && b.behind(p.To, ct)
		})
		set := b.portSet("p", append(selectorWords(p.To), portWords(p.Ports)...), ms, p.Origin)
		for _, src := range b.sources(p.From, p.Except, p.Via, p.Origin) {
			c.add(b.ret(p.Origin, concat(src, []rules.Match{set})...))
		}
	}
	b.proxyDefaults(c, b.matterPublished(), c.deny)
}

// proxyDefaults ends a chain that judges docker-proxy's ports.
func (b *paths) proxyDefaults(c *chain, m matter, deny func(o rules.Origin, ms ...rules.Match)) {
	for _, d := range b.networkDefaults(m) {
		if d.action == policy.Allow {
			c.add(b.ret(d.origin, b.behindNetwork(m, d)))
		} else {
			deny(d.origin, b.behindNetwork(m, d))
		}
	}
	if m.general == policy.Allow {
		c.add(b.ret(m.origin(), b.serving(m)))
	} else {
		deny(m.origin(), b.serving(m))
	}
	if strict, o := b.forUnknown(m); strict {
		deny(o)
	}
}

// serving is the set of published ports that the matter's general default decides:
// those that lead to containers whose network is known, or to any where the unknown
// is not treated otherwise, and of which no network block speaks.
func (b *paths) serving(m matter) rules.InSet {
	ds := b.networkDefaults(m)
	if len(ds) == 0 {
		return b.servingAll(m)
	}
	strict, _ := b.forUnknown(m)
	words := []string{"serving", strconv.FormatBool(strict), m.name}
	for _, d := range ds {
		words = append(words, d.name, string(d.action))
	}
	ms := b.proxied(func(c netinfo.Container, _ netinfo.PublishedPort) bool {
		_, spoken := b.decider(m, c)
		return !spoken && (!strict || len(b.gateways(c)) > 0)
	})
	return b.portSet("p", words, ms, rules.KindPublished.Origin())
}

// servingAll is serving, whether or not a network block speaks of the port.
func (b *paths) servingAll(m matter) rules.InSet {
	strict, _ := b.forUnknown(m)
	ms := b.proxied(func(c netinfo.Container, _ netinfo.PublishedPort) bool { return !strict || len(b.gateways(c)) > 0 })
	return b.portSet("p", []string{"serving", strconv.FormatBool(strict)}, ms, rules.KindPublished.Origin())
}

// sources returns the alternatives of from, except and via: one list of
// matches for each NIC that via comes to. None: nothing can match.
func (b *members) sources(from, except policy.AddressList, via []*policy.Interfaces, o rules.Origin) [][]rules.Match {
	src, never := b.addresses(from, rules.Src, o)
	not, neverNot := b.except(except, rules.Src, o)
	if never || neverNot {
		return nil
	}
	addrs := concat(src, not)
	if len(via) == 0 {
		return [][]rules.Match{addrs}
	}
	var alts [][]rules.Match
	for _, l := range b.nics(via) {
		alts = append(alts, concat([]rules.Match{in(l)}, addrs))
	}
	return alts
}

func concat(lists ...[]rules.Match) []rules.Match { return slices.Concat(lists...) }
