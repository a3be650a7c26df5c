package picture

import (
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules/policy"
)

// straightPorts are what the direct blocks name of a container: its own ports, past the
// published ones, and addresses that lie behind it.
func (x *prober) straightPorts(c *netinfo.Container) (out []Port) {
	if !c.Running() {
		return nil
	}
	for _, b := range x.p.Direct {
		for _, at := range x.straightTo(b, c) {
			for _, p := range straightRuns(b.Ports) {
				var ts []target
				for _, a := range at.addrs {
					proto := p.Proto
					if proto == netinfo.ICMP && a.dest.Is6() {
						proto = netinfo.ICMPv6
					}
					ts = append(ts, target{a.dest, p.Lo, proto})
				}
				port := Port{Host: at.name + p.word, Own: p.word, Straight: true, Access: []Access{}, ClosedBy: []string{}}
				x.reach(&port, ts)
				if !slices.ContainsFunc(out, func(o Port) bool { return o.Host == port.Host }) {
					out = append(out, port)
				}
			}
		}
	}
	return out
}

// straightEnd is the container itself, without a name, or a prefix behind it.
type straightEnd struct {
	name  string
	addrs []target
}

func (x *catalog) straightTo(b *policy.Direct, c *netinfo.Container) (ends []straightEnd) {
	var own straightEnd
	for _, e := range c.Endpoints {
		n, ok := x.networks[e.NetworkID]
		named := len(b.To) == 0 && b.Behind.Empty() || slices.ContainsFunc(b.To, func(s *policy.Selector) bool { return s.Match(*c) && s.OnNetwork(n.Name) })
		if ok && n.Bridge != "" && named {
			for _, a := range e.Addrs {
				own.addrs = append(own.addrs, target{dest: a})
			}
		}
	}
	if len(own.addrs) > 0 {
		ends = append(ends, own)
	}
	for _, p := range b.Behind.Prefixes() {
		a := p.Addr()
		if !p.IsSingleIP() {
			a = a.Next()
		}
		if at := policy.Locate(x.s, a); at.Container != nil && at.Container.ID == c.ID && at.Routed {
			ends = append(ends, straightEnd{p.String() + " ", []target{{dest: a}}})
		}
	}
	return ends
}

// straightRun is a run of ports with its name.
type straightRun struct {
	policy.Ports
	word string
}

func straightRuns(ports []policy.Ports) []straightRun {
	if len(ports) == 0 {
		return []straightRun{{policy.Ports{Proto: netinfo.TCP, Lo: 1, Hi: 65535}, "any port"}}
	}
	var out []straightRun
	for _, p := range ports {
		word := fmt.Sprintf("%d/%s", p.Lo, p.Proto)
		switch {
		case p.Proto == netinfo.ICMP:
			word = "icmp"
		case p.Proto == netinfo.ICMPv6:
			continue // "icmp" of the file is both
		case p.Hi > p.Lo:
			word = fmt.Sprintf("%d-%d/%s", p.Lo, p.Hi, p.Proto)
		}
		out = append(out, straightRun{p, word})
	}
	return out
}
