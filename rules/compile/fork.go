package compile

import (
	"cmp"
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// straight is how many rules about ports a new connection may have to walk. Where
// there are more, it is led to those about its own port.
const straight = 6

// fork gathers rules that allow by the port that was dialled, and leads each
// connection past those about other ports. All of them allow, so that their
// order means nothing.
//
//	PUBLISHED ─► 8000-8010 ─► PUBLISHED-1 ─┐
//	          ─► 8011-8020 ─► PUBLISHED-2 ─┼─► PUBLISHED-REST: no ports, defaults
//	          ─────────────────────────────┘
type fork struct {
	all    []rules.Rule // in the order in which they were added
	rest   []rules.Rule // those about no port
	ported []ported
}

type ported struct {
	ports policy.Ports
	rule  rules.Rule
}

func (f *fork) add(r rules.Rule) {
	f.all = append(f.all, r)
	f.rest = append(f.rest, r)
}

func (f *fork) addPorts(p policy.Ports, r rules.Rule) {
	f.all = append(f.all, r)
	f.ported = append(f.ported, ported{p, r})
}

// write writes the rules into the chain, and returns the chain that is reached
// by what none of them allows.
func (f *fork) write(c *chain) *chain {
	if len(f.ported) <= straight {
		c.add(f.all...)
		return c
	}
	rest := c.b.chain(c.name + "-REST")
	n := 0
	for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP} {
		for _, s := range f.spans(proto) {
			n++
			branch := c.b.chain(fmt.Sprintf("%s-%d", c.name, n))
			c.add(c.b.goTo(branch.name, byDispatch, rules.Proto{Proto: proto}, dialled(s)))
			for _, p := range f.ported {
				if p.ports.Proto == proto && p.ports.Lo <= s.Hi && s.Lo <= p.ports.Hi {
					branch.add(p.rule)
				}
			}
			branch.add(c.b.goTo(rest.name, byDispatch))
		}
	}
	c.add(c.b.goTo(rest.name, byDispatch))
	rest.add(f.rest...)
	return rest
}

// spans divides the ports that the protocol's rules are about into as many
// spans as each has rules, about.
func (f *fork) spans(proto netinfo.Protocol) []policy.Ports {
	var all []policy.Ports
	var end uint16
	for _, p := range f.ported {
		if p.ports.Proto == proto {
			all = append(all, p.ports)
			end = max(end, p.ports.Hi)
		}
	}
	slices.SortFunc(all, func(a, b policy.Ports) int { return cmp.Compare(a.Lo, b.Lo) })
	each := 1
	for each*each < len(all) {
		each++
	}
	var out []policy.Ports
	for i := 0; i < len(all); i += each {
		n := len(out)
		if n > 0 && out[n-1].Lo == all[i].Lo {
			continue
		}
		if n > 0 {
			out[n-1].Hi = all[i].Lo - 1
		}
		out = append(out, policy.Ports{Proto: proto, Lo: all[i].Lo, Hi: end})
	}
	return out
}
