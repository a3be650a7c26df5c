package compile

import (
	"fmt"
	"net/netip"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// The chains of quarantine blocks: each has the block's number behind it.
const (
	chainQuarantine     = "DOCKWALL-QUARANTINE-"
	chainQuarantineHost = "DOCKWALL-QUARANTINE-HOST-"
)

// cutting writes the rules of quarantine blocks.
type cutting struct{ *paths }

// quarantine refuses what comes from a container in quarantine, or goes to one, before the
// rule for established connections. What the host itself dials does not come by here: it
// leaves by OUTPUT, and only its replies come in.
//
//	FORWARD  from such a container's address, or to it: refused
//	INPUT    from such a container, in the direction in which the connection was opened: refused
//	         to a port that such a container publishes, or listens on on the host's network: refused
func (b *builder) quarantine(c *chain, forward, inside bool) {
	if len(b.p.Quarantines) == 0 {
		return
	}
	if inside && len(b.p.Blocks) > 0 {
		c.add(b.jump(b.sent(), byDispatch)) // a block is named first
	}
	w := cutting{b.paths}
	for i, q := range b.p.Quarantines {
		switch {
		case forward:
			if inside {
				c.add(w.goTo(w.refuse(i).name, q.Origin, w.cutSet(q, rules.Src)))
			}
			c.add(w.jump(w.towards(i).name, q.Origin, w.cutSet(q, rules.Dst)))
		default:
			w.ports(c, i)
			if inside {
				w.sources(c, i)
			}
		}
	}
}

// refuse is the chain that refuses for the block.
func (b cutting) refuse(i int) *chain {
	c := b.chain(fmt.Sprintf("%s%d", chainQuarantine, i+1))
	if len(c.rules) == 0 {
		c.deny(b.p.Quarantines[i].Origin)
	}
	return c
}

// towards is the chain that refuses what goes to addresses of the block by a bridge that is
// Docker's or may be. Routes may lead to what lies behind a container by other links too,
// and a bridge between other hosts may show frames with any addresses.
func (b cutting) towards(i int) *chain {
	c := b.chain(fmt.Sprintf("%sTO-%d", chainQuarantine, i+1))
	if len(c.rules) == 0 {
		for _, l := range b.own.wires {
			c.add(b.ret(byForwarded, out(l)))
		}
		b.toDocker(c, b.refuse(i).name)
	}
	return c
}

// ports refuses what comes in for a port of the block.
func (b cutting) ports(c *chain, i int) {
	q := b.p.Quarantines[i]
	refuse := b.chain(fmt.Sprintf("%s%d", chainQuarantineHost, i+1))
	if len(refuse.rules) == 0 {
		refuse.deny(q.Origin)
	}
	for _, way := range opening() {
		for _, words := range [][]string{nil, {"again"}} { // see emptied.go
			c.add(b.goTo(refuse.name, q.Origin, way, b.cutPorts(q, words)))
		}
	}
}

// sources refuses what comes in from an address of the block. The host may dial the
// container, and needs its Ethernet address for that.
func (b cutting) sources(c *chain, i int, words ...string) {
	q := b.p.Quarantines[i]
	from := b.chain(fmt.Sprintf("%sFROM-%d", chainQuarantine, i+1))
	if len(from.rules) == 0 {
		for _, m := range discovery {
			from.add(b.ret(byNeighbours, m.matches()...))
		}
		from.add(b.goTo(b.refuse(i).name, q.Origin))
	}
	for _, way := range opening() {
		c.add(b.goTo(from.name, q.Origin, way, b.cutSet(q, rules.Src, words...)))
	}
}

// opening matches packets in the direction in which the connection was opened.
func opening() []rules.Match { return []rules.Match{rules.Conn{Original: true}, notTracked()} }

// An address may be cleared and cut off at once: another container was seen to use it, or a
// route leads to it. So where the cleared ones pass, those that are cut off are refused
// again, by a set of their own: see emptied.go.

// holdUnjudged drops what comes from a container that the audit has not judged yet, or
// that is not known yet: a quarantine block may cut it off.
func (b cutting) holdUnjudged(c *chain) {
	if len(b.p.Quarantines) == 0 {
		return
	}
	for i, q := range b.p.Quarantines {
		c.add(b.goTo(b.refuse(i).name, q.Origin, b.cutSet(q, rules.Src, "again")))
	}
	b.holdRules(c, b.clearedSet(rules.Src))
}

// holdUnjudgedToHost is holdUnjudged for packets to the host, which has to find the
// container's Ethernet address.
func (b cutting) holdUnjudgedToHost(c *chain, unknown func() rules.InSet) {
	if len(b.p.Quarantines) == 0 {
		return
	}
	for _, m := range discovery {
		c.add(b.goTo(chainServices, byNeighbours, m.matches()...))
	}
	for i := range b.p.Quarantines {
		b.sources(c, i, "again")
	}
	b.holdRules(c, unknown())
}

// holdTowards drops what goes to a container that the audit has not judged yet, or that is
// not known yet.
func (b cutting) holdTowards(c *chain, ms ...rules.Match) {
	if len(b.p.Quarantines) == 0 {
		return
	}
	for i, q := range b.p.Quarantines {
		c.add(b.jump(b.towards(i).name, q.Origin, b.cutSet(q, rules.Dst, "again")))
	}
	var ps []netip.Prefix
	for _, n := range b.s.Networks {
		if n.Bridge != "" {
			for _, p := range n.Subnets {
				ps = append(ps, p.Masked())
			}
		}
	}
	for _, l := range b.s.Links {
		for _, p := range l.Addrs {
			if l.Unplaced {
				ps = append(ps, p.Masked())
			}
		}
	}
	// A rule each: see emptied.go.
	for _, p := range policy.SortPrefixes(append(ps, addrsOf(b.own.behind)...)) {
		ms = append(ms, rules.Destination{Prefix: p})
	}
	for _, m := range ms {
		c.add(rules.Rule{Match: []rules.Match{m, b.clearedSet(rules.Dst)}, Verdict: rules.Verdict{Kind: rules.Drop}, Origin: byHold})
	}
}
