package compile

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// egress builds what containers may reach outside.
func (b *paths) egress() {
	c := b.chain(chainEgress)
	var few []choice
	for _, e := range b.p.Egress {
		few = append(few, choice{e.From, e.Origin})
	}
	if len(few) > 0 || b.denies(b.matterEgress()) {
		b.asking(c)
	}
	if len(few) > 0 {
		b.hold(c)
		b.listed(c, chainEgressFew, few)
		b.holdUnlisted(c, "egress", few)
		f := b.chain(chainEgressFew)
		for _, e := range b.p.Egress {
			f.rules = append(f.rules, b.egressRules(e)...)
		}
		b.denyChosen(f, few)
		b.bySender(b.fromStrangers(chainEgressMaybe, chainEgressFew, few), b.matterEgress())
	}
	b.bySender(c, b.matterEgress())
}

// bySender ends a chain with the matter's defaults of the sender's network.
func (b *paths) bySender(c *chain, m matter) {
	b.byNetwork(m, in,
		func(o rules.Origin, ms ...rules.Match) { c.add(b.ret(o, ms...)) },
		func(o rules.Origin, ms ...rules.Match) { c.deny(o, ms...) })
}

func (b *paths) egressRules(e *policy.Egress) []rules.Rule {
	dst, never := b.addresses(e.To, rules.Dst, e.Origin)
	not, neverNot := b.except(e.Except, rules.Dst, e.Origin)
	if never || neverNot {
		return nil
	}
	nics := [][]rules.Match{nil}
	if len(e.Via) > 0 {
		nics = nil
		for _, l := range b.nics(e.Via) {
			nics = append(nics, []rules.Match{out(l)})
		}
	}
	var rs []rules.Rule
	for _, nic := range nics {
		for _, port := range portMatches(e.Ports) {
			if r := b.ret(e.Origin, concat(nic, dst, port, not, b.from(e.From, e.Origin))...); possible(r) {
				rs = append(rs, r)
			}
		}
	}
	return rs
}

// choice is the from of an egress or host block.
type choice struct {
	from   []*policy.Selector
	origin rules.Origin
}

// from holds for the chosen containers' addresses; no container chosen by name:
// everybody.
func (b *members) from(sels []*policy.Selector, o rules.Origin) []rules.Match {
	if len(sels) == 0 {
		return nil
	}
	name := rules.PurposeName("f", selectorWords(sels)...)
	b.gather(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Origin: o},
		func(c netinfo.Container) []rules.Member { return b.sending(sels, c) })
	return []rules.Match{rules.InSet{Set: name, Dims: []rules.Dim{rules.Src}}}
}

// sending returns the addresses that the container sends from, as far as the
// selectors cover its networks: those the engine gave it, others it was seen to use, and
// those to which the host's routes lead by it.
func (b *scope) sending(sels []*policy.Selector, c netinfo.Container) []rules.Member {
	var ms []rules.Member
	for _, e := range c.Endpoints {
		n, ok := b.network(e.NetworkID)
		if !ok || n.Bridge == "" || !selects(sels, c, n.Name) {
			continue
		}
		ms = append(ms, single(slices.Concat(e.Addrs, e.Seen))...)
		ms = append(ms, b.behindEndpoint(n, e)...)
	}
	return ms
}

// listed sends the containers that a block names to the chain where only the
// blocks decide.
func (b *paths) listed(c *chain, to string, cs []choice) {
	for _, ch := range cs {
		c.add(b.goTo(to, ch.origin, b.from(ch.from, ch.origin)...))
	}
}

// denyChosen refuses what no block listed, in the name of the first block that
// chooses the container.
func (b *paths) denyChosen(c *chain, cs []choice) {
	for _, ch := range cs {
		c.deny(ch.origin, b.from(ch.from, ch.origin)...)
	}
}

// hold drops packets from a source that is not known yet, where a block may turn out to
// restrict it. It is dropped, not refused: the sender tries again, and by then
// it is known: the packet itself is reported for that, whatever log_denied says.
func (b *paths) hold(c *chain) { b.holdRules(c, b.unknown()) }

func (b *paths) holdRules(c *chain, unknown rules.InSet) {
	c.add(
		rules.Rule{Match: []rules.Match{unknown, rules.Limit{Rate: holdRate, Burst: holdBurst}}, Origin: byHold,
			Verdict: rules.Verdict{Kind: rules.Log, Group: HoldGroup, Prefix: LogPrefix(byHold.Subject)}},
		rules.Rule{Match: []rules.Match{unknown}, Verdict: rules.Verdict{Kind: rules.Drop}, Origin: byHold})
}

// unknown holds for sources on a Docker bridge of which it is not known yet
// whether they are a container's.
func (b *members) unknown() rules.InSet {
	name := rules.PurposeName("k", "known")
	b.gather(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Origin: byHold},
		func(c netinfo.Container) []rules.Member { return b.sending(nil, c) }, b.strangers()...)
	return rules.InSet{Set: name, Dims: []rules.Dim{rules.Src}, Not: true}
}

// notStrangers holds for sources of which it is not known that no container has them.
func (b *members) notStrangers() rules.InSet {
	name := rules.PurposeName("k", "strangers")
	b.addSet(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Members: rules.SortMembers(b.strangers()), Origin: byHold})
	return rules.InSet{Set: name, Dims: []rules.Dim{rules.Src}, Not: true}
}

// strangers are the sources that no container has.
func (b *scope) strangers() []rules.Member { return single(b.s.Strangers) }
