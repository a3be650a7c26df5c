package compile

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// refusal is a block's, of what comes from its addresses.
type refusal struct {
	rule rules.Rule
	// inside: a container may have one of the addresses.
	inside bool
}

// refuse finds what each block refuses by source. Its list may be long: it is put
// together, named and compared once, however many chains look it up.
func (b *builder) refuse() (all []refusal) {
	if len(b.p.Blocks) == 0 {
		return nil
	}
	insides := b.insides()
	for i, bl := range b.p.Blocks {
		if bl.From.Empty() {
			continue
		}
		if src, never := b.addresses(bl.From, rules.Src, bl.Origin); !never {
			ps := bl.From.Prefixes()
			all = append(all, refusal{b.goTo(b.blocked(i, bl), bl.Origin, src...),
				slices.ContainsFunc(insides, func(inside netip.Prefix) bool { return overlaps(ps, inside) })})
		}
	}
	return all
}

// blocks writes what is refused before everything else: anything from the
// blocked addresses. It stands before the rule for established connections, so a
// new block ends what is going on.
func (b *builder) blocks(c *chain) {
	for _, r := range b.refusals {
		c.add(r.rule)
	}
}

// blocksInside is blocks of those that may be about a container itself.
func (b *builder) blocksInside(c *chain) {
	for _, r := range b.refusals {
		if r.inside {
			c.add(r.rule)
		}
	}
}

// insides are the addresses that a container may have.
func (b *scope) insides() (all []netip.Prefix) {
	for _, n := range b.s.Networks {
		if n.Bridge != "" {
			all = append(all, n.Subnets...)
		}
	}
	for _, l := range b.s.Links {
		if looksDocker(l) {
			all = append(all, l.Addrs...)
		}
	}
	return all
}

// overlaps reports whether any of the sorted prefixes has an address in common with
// this one. They may be many.
func overlaps(sorted []netip.Prefix, p netip.Prefix) bool {
	p = p.Masked()
	// Those within it follow each other.
	if i, _ := slices.BinarySearchFunc(sorted, p, netip.Prefix.Compare); i < len(sorted) && p.Contains(sorted[i].Addr()) {
		return true
	}
	for bits := range p.Bits() {
		if _, found := slices.BinarySearchFunc(sorted, netip.PrefixFrom(p.Addr(), bits).Masked(), netip.Prefix.Compare); found {
			return true
		}
	}
	return false
}

// sent refuses what containers may not send because of a block: from blocked
// addresses, and to them. FORWARD and INPUT share the chain.
func (b *builder) sent() string {
	c := b.chain(chainBlockSent)
	if len(c.rules) > 0 {
		return c.name
	}
	b.blocks(c)
	for i, bl := range b.p.Blocks {
		if dst, never := b.addresses(bl.To, rules.Dst, bl.Origin); !bl.To.Empty() && !never {
			// Not replies to clients that dialled a container: only "from" keeps
			// them away. What is on no connection has no direction.
			for _, way := range []rules.Conn{{Original: true}, notTracked()} {
				c.add(b.goTo(b.blocked(i, bl), bl.Origin, concat([]rules.Match{way}, dst)...))
			}
		}
	}
	return c.name
}

// notBlocked begins a chain that judges what containers send.
func (b *builder) notBlocked(c *chain) {
	if len(b.p.Blocks) > 0 {
		c.add(b.jump(b.sent(), byDispatch))
	}
}

// blocked is the chain that reports and refuses what the block is about. Nearly
// every packet of every connection is looked up in the block's list, which is
// long: not twice, for the report and for the refusal.
func (b *builder) blocked(i int, bl *policy.Block) string {
	c := b.chain(fmt.Sprintf("%s%d", chainBlocked, i+1))
	if len(c.rules) == 0 {
		c.deny(bl.Origin)
	}
	return c.name
}

// notTracked holds for packets that connection tracking knows nothing of.
func notTracked() rules.Conn {
	return rules.Conn{States: []rules.ConnState{rules.StateNew, rules.StateRelated, rules.StateEstablished}, NotStates: true}
}
