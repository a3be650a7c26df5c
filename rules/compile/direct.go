package compile

import (
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// direct allows what the direct blocks do: packets that are routed straight to a
// container's own address, past its published ports, or to what lies behind one. It
// stands after the defaults for DNAT, so that no such packet gets here, and before
// those for routed mode, because a published port there is an address of the
// container's own as well.
func (b *paths) direct(c *chain) {
	for _, d := range b.p.Direct {
		for _, src := range b.sources(d.From, d.Except, d.Via, d.Origin) {
			for _, to := range b.straightTo(d) {
				for _, port := range portMatches(d.Ports) {
					if r := b.ret(d.Origin, concat(src, to, port)...); possible(r) {
						c.add(r)
					}
				}
			}
		}
	}
}

// straightTo returns the alternatives of to. None: nothing can match.
func (b *paths) straightTo(d *policy.Direct) [][]rules.Match {
	if len(d.To) == 0 && d.Behind.Empty() {
		return [][]rules.Match{nil}
	}
	var alts [][]rules.Match
	if len(d.To) > 0 {
		alts = append(alts, []rules.Match{b.containerSet(d.To, rules.Dst, d.Origin)})
	}
	if dst, never := b.addresses(d.Behind, rules.Dst, d.Origin); !d.Behind.Empty() && !never {
		alts = append(alts, dst)
	}
	return alts
}

// unknownRouted refuses packets to addresses of which it is not known whose they are,
// on networks in routed mode where direct is allowed and published is not: the dialled
// port may be one that a container there has just published.
func (b *paths) unknownRouted(c *chain, published, straight matter) {
	for _, n := range b.s.Networks {
		l, ok := linkOf(n.Bridge)
		if !ok || b.effective(n.Name, published) != policy.Deny || b.effective(n.Name, straight) != policy.Allow {
			continue
		}
		for _, p := range n.Subnets {
			if n.Mode(p.Addr().Is6()) == netinfo.GatewayRouted {
				c.deny(b.originOf(n.Name, published), out(l), rules.Destination{Prefix: p.Masked()}, b.unknownTo())
			}
		}
	}
}

// unknownTo holds for destinations that no container on a Docker bridge is known to
// have.
func (b *paths) unknownTo() rules.InSet {
	set := b.containerSet(nil, rules.Dst, b.matterPublished().origin())
	set.Not = true
	return set
}
