package compile

import (
	"dockwall/netinfo"
	"dockwall/rules"
)

var (
	byICMP = rules.Origin{Policy: "icmp"}
	icmps  = []rules.Protocol{netinfo.ICMP, netinfo.ICMPv6}
)

// host builds what containers may reach of the host itself.
func (b *builder) host() {
	c := b.chain(chainHost)
	b.notBlocked(c)
	c.martians()
	b.apiPorts(c)
	c.add(b.goTo(chainHairpin, byDispatch, b.publishedPorts()))
	c.add(b.goTo(chainServices, byDispatch))
	b.hairpin()
	b.services()
}

// services builds what containers may reach of the host's own services.
func (b *builder) services() {
	c := b.chain(chainServices)
	var few []choice
	for _, h := range b.p.Host {
		few = append(few, choice{h.From, h.Origin})
	}
	m := b.matterHost()
	if len(few) == 0 && !b.denies(m) {
		c.add(b.ret(m.origin()))
		return
	}
	// ICMP is not a service: without neighbour discovery a container has no
	// IPv6 at all.
	for _, p := range icmps {
		c.add(b.ret(byICMP, rules.Proto{Proto: p}))
	}
	if len(few) > 0 {
		b.hold(c)
		b.listed(c, chainHostFew, few)
		f := b.chain(chainHostFew)
		for _, h := range b.p.Host {
			for _, port := range portMatches(h.Ports) {
				f.add(b.ret(h.Origin, concat(port, b.from(h.From, h.Origin))...))
			}
		}
		b.denyChosen(f, few)
	}
	b.byNetwork(m, in,
		func(o rules.Origin, ms ...rules.Match) { c.add(b.ret(o, ms...)) },
		func(o rules.Origin, ms ...rules.Match) { c.deny(o, ms...) })
}
