package meaning

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/published"
	"dockwall/rules/trace"
)

// target is what a packet is for, with its source left out.
type target struct {
	base   rules.Base
	packet trace.Packet
	// bridge is set where only senders on the same bridge are meant.
	bridge string
}

// targets collects classes of targets: everything that rules ask of a packet
// beside where it comes from tells them apart.
type targets struct {
	outline *trace.Outline
	classes classes[target]
}

func (c *comparison) newTargets() *targets {
	about := func(m rules.Match) bool { return !aboutSource(m) && !aboutIn(m) }
	return &targets{outline: trace.NewOutline(about, c.before, c.after)}
}

func (ts *targets) add(t target, label string) {
	t.packet.Syn = t.packet.Proto == netinfo.TCP
	t.packet.Conn.State, t.packet.Conn.Original = rules.StateNew, true
	t.packet.Unknown = trace.FieldSrcPort | trace.FieldSrcMAC
	if !t.packet.Conn.DNAT {
		t.packet.Conn.OrigDst, t.packet.Conn.OrigDstPort = t.packet.Dst, t.packet.DstPort
	}
	key := fmt.Sprintf("%s %s %s ", t.base, t.bridge, family(t.packet.Dst)) + ts.outline.Of(t.packet)
	ts.classes.add(key, t, label)
}

// published adds the ports that containers publish, each in the ways that it
// is reached, and those on which containers on the host's network listen.
func (c *comparison) published(ts *targets) {
	for i := range c.s.Containers {
		ct := &c.s.Containers[i]
		if ct.SharesWith != "" {
			continue
		}
		for _, p := range ct.Ports {
			c.publishedPort(ts, ct, p)
		}
	}
}

func (c *comparison) publishedPort(ts *targets, ct *netinfo.Container, p netinfo.PublishedPort) {
	p.HostAddr = published.Bind(&c.s, ct, p)
	label := ct.Name + " " + publishedLabel(p)
	c.owner[label] = ct.Name
	if p.HostPort != 0 {
		for _, host := range c.hostAddrs(p.HostAddr) {
			ts.add(target{base: rules.BaseInput, packet: trace.Packet{Dst: host, Proto: p.Proto, DstPort: p.HostPort}}, label)
		}
	}
	for _, e := range ct.Endpoints {
		n, ok := c.networks[e.NetworkID]
		if !ok || n.Bridge == "" || n.Internal {
			continue
		}
		for _, a := range e.Addrs {
			packet := trace.Packet{Out: n.Bridge, Dst: a, Proto: p.Proto, DstPort: p.ContainerPort}
			switch n.Mode(a.Is6()) {
			case netinfo.GatewayRouted:
				ts.add(target{base: rules.BaseDockerUser, packet: packet}, fmt.Sprintf("%s %d/%s", ct.Name, p.ContainerPort, p.Proto))
			case netinfo.GatewayIsolated:
			default:
				if p.HostPort != 0 && (!p.HostAddr.IsValid() || p.HostAddr.Is6() == a.Is6()) {
					packet.Conn.DNAT, packet.Conn.OrigDstPort = true, p.HostPort
					ts.add(target{base: rules.BaseDockerUser, packet: packet}, label)
				}
			}
		}
	}
}

func publishedLabel(p netinfo.PublishedPort) string {
	port := fmt.Sprintf("%d/%s", p.HostPort, p.Proto)
	if p.HostPortEnd > p.HostPort {
		port = fmt.Sprintf("%d-%d/%s", p.HostPort, p.HostPortEnd, p.Proto)
	}
	if p.HostAddr.IsValid() && !p.HostAddr.IsUnspecified() {
		return p.HostAddr.String() + " " + port
	}
	return port
}

// hostAddrs are the addresses that a port is reached by: the one it is bound
// to, or one of each family that it is bound to every address of.
func (c *comparison) hostAddrs(bound netip.Addr) []netip.Addr {
	if bound.IsValid() && !bound.IsUnspecified() {
		return []netip.Addr{bound}
	}
	var as []netip.Addr
	for _, a := range c.host {
		if !bound.IsValid() || a.Is6() == bound.Is6() {
			as = append(as, a)
		}
	}
	return as
}

// anyHostAddrs is one of the host's own addresses in each family.
func anyHostAddrs(s netinfo.Snapshot) []netip.Addr {
	found := [2]netip.Addr{}
	for _, l := range s.Links {
		for _, p := range l.Addrs {
			i := 0
			if p.Addr().Is6() {
				i = 1
			}
			if !found[i].IsValid() && l.Name != "lo" && !p.Addr().IsLinkLocalUnicast() {
				found[i] = p.Addr()
			}
		}
	}
	var as []netip.Addr
	for _, a := range found {
		if a.IsValid() {
			as = append(as, a)
		}
	}
	return as
}

// hostPorts adds the host's own, as far as rules tell them apart.
func (c *comparison) hostPorts(ts *targets) {
	for _, run := range c.ports {
		for _, host := range c.host {
			p, ok := c.free(run, host)
			if !ok {
				continue
			}
			label := p.label() + " of the host"
			if p.proto == netinfo.TCP && (p.number == 2375 || p.number == 2376) {
				label = "the Docker API"
			}
			ts.add(target{base: rules.BaseInput, packet: trace.Packet{Dst: host, Proto: p.proto, DstPort: p.number}}, label)
		}
	}
}

// maxTaken is how many ports of a run are looked at for one that is free: a range of
// published ports may be thousands of ports long.
const maxTaken = 1000

// free returns the run from its first port on that no container publishes at the host
// address. A port that is published at another address is the host's own at this one.
func (c *comparison) free(p port, host netip.Addr) (port, bool) {
	for range maxTaken {
		at := c.taken[portKey{p.proto, p.number}]
		if !slices.ContainsFunc(at, func(bound netip.Addr) bool { return published.Reaches(bound, host) }) {
			return p, true
		}
		if p.number == p.last {
			break
		}
		p.number++
	}
	return p, false
}

// neighbours adds containers' own ports, for others on the same bridge.
func (c *comparison) neighbours(ts *targets) {
	o := trace.NewOutline(func(m rules.Match) bool { return aboutDestination(m) || aboutOut(m) }, c.before, c.after)
	var cs classes[target]
	c.endpoints(func(n netinfo.Network, ct *netinfo.Container, a netip.Addr) {
		t := target{base: rules.BaseDockerUser, bridge: n.Bridge, packet: trace.Packet{Out: n.Bridge, Src: a, Dst: a}}
		cs.add(n.Bridge+" "+family(a)+o.Of(t.packet), t, ct.Name)
	})
	for _, d := range cs.list {
		for _, p := range c.own {
			t := d.rep
			t.packet.Src, t.packet.Proto, t.packet.DstPort = netip.Addr{}, p.proto, p.number
			ts.add(t, p.label()+" of "+list(d.labels))
		}
	}
}

// elsewhere adds what containers may reach outside, by one interface.
func (c *comparison) elsewhere(ts *targets, out string) {
	for _, d := range c.outsideDestinations() {
		for _, p := range c.own {
			ts.add(target{base: rules.BaseDockerUser, packet: trace.Packet{Out: out, Dst: d.rep, Proto: p.proto, DstPort: p.number}},
				p.label()+" at "+c.names.place(d.labels))
		}
	}
}

func (c *comparison) outsideDestinations() []class[netip.Addr] {
	o := trace.NewOutline(aboutDestination, c.before, c.after)
	var cs classes[netip.Addr]
	c.outsidePrefixes(rules.Dst, func(a netip.Addr, _ netip.Prefix, label string) {
		// Sets of ports are not of addresses outside.
		cs.add(family(a)+o.Of(trace.Packet{Src: a, Dst: a}), a, label)
	})
	return cs.list
}
