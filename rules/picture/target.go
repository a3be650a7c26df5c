package picture

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules/policy"
	"dockwall/rules/published"
	"dockwall/rules/trace"
)

// target is what is dialled.
type target struct {
	dest  netip.Addr
	port  uint16
	proto netinfo.Protocol
}

// onHost are what has to be dialled to tell of a port that is published on the
// host: in each family, one port of each run that the rules tell apart.
func (x *catalog) onHost(c *netinfo.Container, p netinfo.PublishedPort) []target {
	var ts []target
	if p.HostPort == 0 {
		return nil
	}
	for _, n := range x.numbers(p) {
		for _, a := range x.boundTo(c, p, n) {
			ts = append(ts, target{a, n, p.Proto})
		}
	}
	return ts
}

// routed are the container's own addresses where its network is in routed mode.
func (x *catalog) routed(c *netinfo.Container, p netinfo.PublishedPort) []target {
	var ts []target
	for _, e := range c.Endpoints {
		n, ok := x.networks[e.NetworkID]
		for _, a := range e.Addrs {
			if ok && n.Bridge != "" && n.Mode(a.Is6()) == netinfo.GatewayRouted {
				ts = append(ts, target{a, p.ContainerPort, p.Proto})
			}
		}
	}
	return ts
}

// numbers are the first host port, and those of the candidates at which rules
// or other containers' claims begin to differ.
func (x *catalog) numbers(p netinfo.PublishedPort) []uint16 {
	ns := []uint16{p.HostPort}
	add := func(n uint16) {
		if p.HostPort < n && n <= p.HostPortEnd {
			ns = append(ns, n)
		}
	}
	for _, n := range x.cuts[p.Proto] {
		add(n)
	}
	for t := range x.taken {
		if t.proto == p.Proto && p.HostPort < p.HostPortEnd && t.number > p.HostPort && t.number <= p.HostPortEnd && x.single(t) {
			add(t.number)
			add(t.number + 1)
		}
	}
	slices.Sort(ns)
	return slices.Compact(ns)
}

// single reports whether the port is one of its own, not one of a range.
func (x *catalog) single(t hostPort) bool {
	return slices.ContainsFunc(x.s.Containers, func(c netinfo.Container) bool {
		return slices.ContainsFunc(c.Ports, func(p netinfo.PublishedPort) bool {
			return p.Proto == t.proto && p.HostPort == t.number && p.HostPortEnd <= p.HostPort
		})
	})
}

// boundTo are the addresses that the port is dialled by: the one it is bound
// to, or one of the host's in each family that it is bound to all of.
func (x *catalog) boundTo(c *netinfo.Container, p netinfo.PublishedPort, number uint16) []netip.Addr {
	at := published.Bind(&x.s, c, p)
	if at.IsValid() && !at.IsUnspecified() {
		if policy.Locate(x.s, at).Kind != policy.OnHost {
			return nil // gone, or not there yet
		}
		return []netip.Addr{at}
	}
	return slices.DeleteFunc(x.hostAddrs(hostPort{p.Proto, number}), func(a netip.Addr) bool {
		return at.IsValid() && a.Is6() != at.Is6()
	})
}

// verdicts are the answers to every atom at every gate.
type verdicts [][]answer

// judge dials the target from everywhere. Targets that the rules do not tell
// apart are dialled once.
func (x *prober) judge(t target) verdicts {
	key, ok := x.targetKey(t)
	if v, have := x.judged[key]; ok && have {
		return v
	}
	v := make(verdicts, len(x.gates))
	for i, g := range x.gates {
		v[i] = make([]answer, len(x.atoms))
		for j, a := range x.atoms {
			if a.v6() == t.dest.Is6() {
				v[i][j] = x.ask(policy.Question{NIC: g.nic, Source: a.addr, Dest: t.dest, Port: t.port, Proto: t.proto})
			}
		}
	}
	if ok {
		x.judged[key] = v
	}
	return v
}

// targetKey tells targets apart as the rules do. Where something is open by
// default the block that would allow it is named, and the rules do not know it.
func (x *catalog) targetKey(t target) (string, bool) {
	if x.openByDefault() {
		return "", false
	}
	key := ""
	q := policy.Question{NIC: x.gates[0].nic, Source: somewhere(t.dest.Is6()), Dest: t.dest, Port: t.port, Proto: t.proto}
	for _, way := range trace.Packets(x.s, q) {
		key += string(way.Base) + x.every.Of(way.Packet)
	}
	if t.dest.Is6() {
		key += "6"
	}
	return key, true
}

func (x *catalog) openByDefault() bool {
	return x.p.Defaults.Published == policy.Allow ||
		slices.ContainsFunc(x.p.Networks, func(n policy.Network) bool { return n.Published == policy.Allow })
}
