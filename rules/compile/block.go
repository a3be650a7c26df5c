package compile

import (
	"fmt"
	"slices"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// blocks writes what is refused before everything else: anything from the
// blocked addresses, and every connection to them that a container opens. It
// stands before the rule for established connections, so a new block ends what
// is going on.
func (b *builder) blocks(c *chain) {
	for i, bl := range b.p.Blocks {
		if src, never := b.addresses(bl.From, rules.Src, bl.Origin); !bl.From.Empty() && !never {
			c.add(b.goTo(b.blocked(i, bl), bl.Origin, src...))
		}
	}
	if !slices.ContainsFunc(b.p.Blocks, func(bl *policy.Block) bool { return !bl.To.Empty() }) {
		return
	}
	for _, l := range b.top.docker {
		c.add(b.jump(chainBlockTo, byDispatch, in(l)))
	}
	b.blockTo()
}

// blockTo refuses what goes to the blocked addresses. FORWARD and INPUT share
// the chain.
func (b *builder) blockTo() {
	c := b.chain(chainBlockTo)
	if len(c.rules) > 0 {
		return
	}
	// A bridge that only looks like one of Docker's was jumped from too.
	for _, l := range b.top.notDocker {
		c.add(b.ret(byDispatch, in(l)))
	}
	for i, bl := range b.p.Blocks {
		if dst, never := b.addresses(bl.To, rules.Dst, bl.Origin); !bl.To.Empty() && !never {
			// Not what answers those who dialled a container: only "from" keeps
			// them away. What is on no connection has no direction.
			for _, way := range []rules.Conn{{Original: true}, notTracked()} {
				c.add(b.goTo(b.blocked(i, bl), bl.Origin, concat([]rules.Match{way}, dst)...))
			}
		}
	}
}

// blocked is the chain that reports and refuses what the block is about. Every
// packet of every connection is looked up in the block's list, which is long:
// not twice, for the report and for the refusal.
func (b *builder) blocked(i int, bl *policy.Block) string {
	c := b.chain(fmt.Sprintf("DOCKWALL-BLOCKED-%d", i+1))
	if len(c.rules) == 0 {
		c.deny(bl.Origin)
	}
	return c.name
}

// notTracked holds for packets that connection tracking knows nothing of.
func notTracked() rules.Conn {
	return rules.Conn{States: []rules.ConnState{rules.StateNew, rules.StateRelated, rules.StateEstablished}, NotStates: true}
}
