package compile

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// directProblems finds blocks and defaults that let packets pass to containers' own
// addresses although Docker drops them.
func directProblems(p policy.Policy, s netinfo.Snapshot) []finding.Finding {
	b := newBuilder(p, s)
	m := b.matterDirect()
	closed := map[rules.Origin][]netinfo.Network{}
	for _, n := range s.Networks {
		if len(gatewayOptions(s.Engine, n)) == 0 {
			continue
		}
		for _, d := range p.Direct {
			if b.leadsTo(d, n) {
				closed[d.Origin] = append(closed[d.Origin], n)
			}
		}
		if b.effective(n.Name, m) == policy.Allow {
			o := b.originOf(n.Name, m)
			closed[o] = append(closed[o], n)
		}
	}
	var ps []finding.Finding
	for o, ns := range closed {
		ps = append(ps, closedByDocker(s.Engine, o, ns))
	}
	return ps
}

// leadsTo reports whether the block allows something to containers of the network.
func (b *scope) leadsTo(d *policy.Direct, n netinfo.Network) bool {
	if len(d.To) == 0 {
		return d.Behind.Empty()
	}
	return slices.ContainsFunc(b.s.Containers, func(c netinfo.Container) bool {
		return slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool { return e.NetworkID == n.ID }) && selects(d.To, c, n.Name)
	})
}

// gatewayOptions are the options of the network in which Docker drops what is routed
// straight to its containers.
func gatewayOptions(e netinfo.Engine, n netinfo.Network) (options []string) {
	for _, v6 := range []bool{false, true} {
		has := slices.ContainsFunc(n.Subnets, func(p netinfo.Prefix) bool { return p.Addr().Is6() == v6 })
		if has && e.DropsRouted(n, v6) {
			options = append(options, fmt.Sprintf("com.docker.network.bridge.gateway_mode_ipv%d", map[bool]int{false: 4, true: 6}[v6]))
		}
	}
	return options
}

func closedByDocker(e netinfo.Engine, o rules.Origin, ns []netinfo.Network) finding.Finding {
	var names, options []string
	for _, n := range ns {
		names = append(names, n.Name)
		options = append(options, gatewayOptions(e, n)...)
	}
	slices.Sort(options)
	for i, option := range options {
		options[i] = "-o " + option + "=nat-unprotected"
	}
	text := fmt.Sprintf("%s lets packets pass to containers of %s, but Docker %s drops what is routed straight to them unless dockerd runs with --allow-direct-routing. "+
		"To open a single network, create it with %s", o.Subject, strings.Join(names, ", "), e.Version, strings.Join(slices.Compact(options), " "))
	f := finding.New(finding.ClosedByDocker, text).At(o)
	if len(ns) == 1 {
		return f.About("network " + ns[0].Name)
	}
	return f.About(o.Subject.String())
}
