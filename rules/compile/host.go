package compile

import "dockwall/rules"

// host builds what containers may reach of the host itself.
func (b *builder) host() {
	c := b.chain(chainHost)
	b.notBlocked(c)
	c.martians()
	cutting{b.paths}.holdUnjudgedToHost(c, func() rules.InSet { return b.clearedSet(rules.Src) })
	b.apiPorts(c)
	b.swarmPorts(c)
	b.toPublished(c, chainHairpin)
	c.add(b.goTo(chainServices, byDispatch))
	b.hairpin()
	b.services()
}

// services builds what containers may reach of the host's own services.
func (b *paths) services() {
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
	b.icmpToHost(c)
	b.asking(c)
	if len(few) > 0 {
		b.hold(c)
		b.listed(c, chainHostFew, few)
		b.holdUnlisted(c, "host", few)
		f := b.chain(chainHostFew)
		for _, h := range b.p.Host {
			if h.NoPorts {
				continue
			}
			for _, port := range portMatches(h.Ports) {
				// ICMP does not get here, so that a rule for pings matches nothing.
				f.add(b.ret(h.Origin, concat(port, b.from(h.From, h.Origin))...))
			}
		}
		b.denyChosen(f, few)
		b.icmpToHost(b.chain(chainServeMaybe))
		b.bySender(b.fromStrangers(chainServeMaybe, chainHostFew, few), m)
	}
	b.bySender(c, m)
}
