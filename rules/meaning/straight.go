package meaning

import (
	"net/netip"

	"go4.org/netipx"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// straight adds containers' own addresses and those that lie behind a container, as
// they are dialled from outside. Unless a direct block is in one of the rulesets, the
// bridge alone decides, and one address and one port stand for all.
func (c *comparison) straight(ts *targets) {
	x := straights{c: c, outline: trace.NewOutline(func(m rules.Match) bool { return aboutDestination(m) || aboutOut(m) }, c.before, c.after)}
	for _, n := range c.s.Networks {
		for _, p := range n.Subnets {
			if a := netipx.PrefixLastIP(p.Masked()).Prev(); n.Bridge != "" && p.Contains(a) {
				x.add(n.Bridge, a, n.Name+"'s containers")
			}
		}
	}
	for _, r := range c.s.Routes {
		x.behind(r.Prefix.Addr().Next(), r.Prefix)
	}
	blocks := [2]rules.Ruleset{direct(c.rulesets[0]), direct(c.rulesets[1])}
	if len(blocks[0].Chains)+len(blocks[1].Chains) == 0 {
		for _, d := range x.classes.list {
			ts.add(withPort(d.rep, port{proto: netinfo.TCP, number: 1}), list(d.labels)+" past their published ports")
		}
		return
	}
	c.endpoints(func(n netinfo.Network, ct *netinfo.Container, a netip.Addr) { x.add(n.Bridge, a, ct.Name) })
	ps := prefixes(rules.Dst, blocks[0], blocks[1])
	for i, a := range lone(ps) {
		if a.IsValid() {
			x.behind(a, ps[i])
		}
	}
	for _, d := range x.classes.list {
		for _, p := range c.own {
			ts.add(withPort(d.rep, p), p.label()+" of "+list(d.labels)+" past their published ports")
		}
	}
}

func withPort(t target, p port) target {
	t.packet.Src, t.packet.Proto, t.packet.DstPort = netip.Addr{}, p.proto, p.number
	return t
}

// direct is what of the ruleset the direct blocks say.
func direct(rs rules.Ruleset) rules.Ruleset {
	out := rules.Ruleset{Sets: rs.Sets}
	for _, c := range rs.Chains {
		var own []rules.Rule
		for _, r := range c.Rules {
			if s := r.Origin.Subject; s.Kind == rules.KindDirect && s.Name != "" {
				own = append(own, r)
			}
		}
		if len(own) > 0 {
			out.Chains = append(out.Chains, rules.Chain{Name: c.Name, Rules: own})
		}
	}
	return out
}

// straights collects classes of addresses by the way to them.
type straights struct {
	c       *comparison
	outline *trace.Outline
	classes classes[target]
}

func (x *straights) add(bridge string, a netip.Addr, label string) {
	t := target{base: rules.BaseDockerUser, packet: trace.Packet{Out: bridge, Src: a, Dst: a}}
	x.classes.add(family(a)+x.outline.Of(t.packet), t, label)
}

// behind adds an address that stands for the prefix, if a Docker bridge leads there.
func (x *straights) behind(a netip.Addr, p netip.Prefix) {
	if at := policy.Locate(x.c.s, a); at.Kind == policy.OnBridge {
		x.add(at.Bridge, a, prefixLabel(p, rules.Dst, false))
	}
}
