package compile

import (
	"slices"

	"dockwall/rules"
)

// unplaced sorts what came from an interface that may be a Docker bridge: it is
// held to what strangers are held to on the way to a container, and to what
// containers are held to on every other way.
func (b *builder) unplaced() {
	c := b.chain(chainUnplaced)
	egress := b.unplacedTo(chainEgressMaybe, chainEgress, len(b.p.Egress) > 0)
	b.notBlocked(c)
	if len(b.p.Quarantines) > 0 {
		b.holdRules(c, b.notStrangers())
	}
	c.add(b.stamp())
	known := b.knownBridges()
	for _, l := range b.presentBridges() {
		if !slices.Contains(known, l) {
			c.add(b.goTo(chainBetween, byDispatch, in(l), out(l)))
		}
	}
	for _, l := range b.top.notDocker {
		c.add(b.goTo(egress, byDispatch, out(l)))
	}
	c.add(b.goTo(chainPublished, byDispatch, dnat()))
	for _, p := range b.subnets() {
		c.add(b.goTo(chainPublished, byDispatch, rules.Destination{Prefix: p}))
	}
	for l := range byLink(b.own.behind) {
		c.add(b.goTo(chainPublished, byDispatch, out(l))) // to what lies behind a container there
	}
	// The next rules cannot say that a packet leaves by the bridge that it came in by.
	for _, l := range b.presentBridges() {
		if covered(dockerNames, l.name) {
			c.add(b.goTo(chainPublished, byDispatch, out(l)))
		}
	}
	// A bridge that came while the agent was away shows traffic among its own ports.
	for _, l := range dockerNames {
		c.add(b.goTo(chainBetween, byDispatch, in(l), out(l)))
	}
	for _, l := range b.top.towards() {
		c.add(b.goTo(chainPublished, byDispatch, out(l)))
	}
	for _, l := range b.top.elsewhere {
		c.add(b.goTo(egress, byDispatch, out(l)))
	}
	c.add(b.goTo(chainPublished, byDispatch))
}

// unplacedTo returns the chain that judges what an unplaced bridge sends to outside or
// to the host: to, or maybe where blocks restrict containers by their addresses. A
// container is known by its address on its own bridge only: on any other bridge the
// same address is another sender's.
func (b *builder) unplacedTo(maybe, to string, restricts bool) string {
	if restricts {
		return maybe
	}
	return to
}

// fromStrangers is what such a chain does in place of looking the source up in the
// sets of the choices: the source is held unless it is known to be no container's,
// and then only the blocks for every container hold for it.
func (b *paths) fromStrangers(maybe, few string, cs []choice) *chain {
	c := b.chain(maybe)
	b.holdRules(c, b.notStrangers())
	for _, ch := range cs {
		if len(ch.from) == 0 {
			c.add(b.goTo(few, ch.origin))
		}
	}
	return c
}
