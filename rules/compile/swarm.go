package compile

import (
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

const chainSwarm = "DOCKWALL-SWARM"

// swarmPorts sends what the nodes of a Swarm send each other to the chain that judges
// it, if there is a swarm block. A container that publishes one of the ports is judged
// as what it is.
func (b *builder) swarmPorts(c *chain) {
	if b.p.Swarm == nil {
		return
	}
	ranges := policy.SwarmPorts(b.s.Engine)
	ms := b.proxied(func(_ netinfo.Container, p netinfo.PublishedPort) bool { return within(ranges, p.Proto, p.HostPort) })
	if b.anyContainer(func(c netinfo.Container) bool { return len(ms(c)) > 0 }) {
		to := chainProxy
		if c.name == chainHost {
			to = chainHairpin
		}
		for _, words := range [][]string{{"swarm"}, {"swarm", "again"}} { // see toPublished
			c.add(b.goTo(to, byDispatch, b.portSet("p", words, ms, b.p.Swarm.Origin)))
		}
	}
	for _, r := range ranges {
		c.add(b.goTo(chainSwarm, b.p.Swarm.Origin, rules.Proto{Proto: r.Proto}, rules.DestPort{Lo: r.Lo, Hi: r.Hi}))
	}
	c.add(b.goTo(chainSwarm, b.p.Swarm.Origin, rules.Proto{Proto: netinfo.ESP}))
}

// swarm lets the peers in, and no other host or container.
func (b *builder) swarm() {
	if b.p.Swarm == nil {
		return
	}
	c := b.chain(chainSwarm)
	for _, src := range b.sources(b.p.Swarm.Peers, policy.AddressList{}, nil, b.p.Swarm.Origin) {
		c.add(b.ret(b.p.Swarm.Origin, src...))
	}
	c.deny(b.p.Swarm.Origin)
}
