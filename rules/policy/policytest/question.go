package policytest

import (
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Question draws an attempt on the host of the snapshot, mostly one that
// something there has to do with.
func Question(t *rapid.T, s netinfo.Snapshot) policy.Question {
	v6 := rapid.Bool().Draw(t, "v6")
	a := asker{t: t, s: s, v6: v6, bridges: bridges(s)}
	q := policy.Question{Proto: pick(t, "protocol", []rules.Protocol{netinfo.TCP, netinfo.TCP, netinfo.TCP, netinfo.UDP, netinfo.SCTP})}
	if seldom(t, "icmp") {
		a.icmp(&q)
	}
	q.Expected = seldom(t, "expected")
	a.from(&q)
	a.to(&q)
	if q.Proto != netinfo.ICMP && q.Proto != netinfo.ICMPv6 {
		q.Port = a.port(q.Dest)
	}
	return q
}

// icmp draws a message: a ping, an error, a redirect, neighbour discovery.
func (a asker) icmp(q *policy.Question) {
	q.Proto = netinfo.ICMP
	types := []uint8{0, 0, 3, rules.TypeRedirect4}
	if a.v6 {
		q.Proto = netinfo.ICMPv6
		types = []uint8{0, 0, 2, rules.TypeRedirect6, rules.TypeRouterAdvertisement, rules.TypeNeighbourSolicit, rules.TypeNeighbourAdvertise, 133, 143}
	}
	q.ICMPType = pick(a.t, "type", types)
}

type asker struct {
	t       *rapid.T
	s       netinfo.Snapshot
	v6      bool
	bridges []wire
}

// bridges are the Docker bridges of the snapshot.
func bridges(s netinfo.Snapshot) []wire {
	var there []wire
	for _, w := range append(universe(), newcomer()) {
		for _, l := range s.Links {
			if l.Name == w.bridge {
				there = append(there, w)
			}
		}
	}
	return there
}

// from draws the sender: outside, a container, a stranger on a bridge, the
// host, a macvlan container, or one with a forged source.
func (a asker) from(q *policy.Question) {
	kind := rapid.IntRange(0, 15).Draw(a.t, "sender")
	w, ok := a.bridge()
	switch {
	case kind == 15:
		q.NIC, q.Source = "lo", a.loopback()
		return
	case kind == 14 && !a.v6:
		a.macvlan(q)
	case kind == 12:
		a.forged(q)
	case kind > 5 && ok:
		q.NIC, q.Source = w.bridge, w.addr(9, a.v6)
		switch known := a.addrsOn(w); {
		case kind == 13 && seldom(a.t, "stray"):
			q.Source = pick(a.t, "stray source", a.family(outsideAddrs()))
		case kind == 11 && len(a.s.Routes) > 0:
			q.Source = pick(a.t, "source behind", a.family(behindAddrs()))
		case len(known) > 0 && kind != 13:
			q.Source = pick(a.t, "container's address", known)
		}
	default:
		q.NIC, q.Source = a.nic(), pick(a.t, "source", a.family(outsideAddrs()))
	}
	if q.Source == (netip.Addr{}) {
		q.NIC, q.Source = "eth0", pick(a.t, "source", a.family(outsideAddrs()))
	}
}

// forged draws a source that belongs to another container of this host, to the host,
// or to a host behind a container.
func (a asker) forged(q *policy.Question) {
	q.NIC = a.nic()
	if w, ok := a.bridge(); ok && rapid.Bool().Draw(a.t, "from a bridge") {
		q.NIC = w.bridge
	}
	all := a.hostAddrs()
	for _, w := range a.bridges {
		all = append(all, a.addrsOn(w)...)
		if w.has(a.v6) {
			all = append(all, w.addr(9, a.v6))
		}
	}
	if len(a.s.Routes) > 0 {
		all = append(all, a.family(behindAddrs())...)
	}
	if len(all) > 0 {
		q.Source = pick(a.t, "forged source", all)
	}
}

func (a asker) macvlan(q *policy.Question) {
	for _, c := range a.s.Containers {
		for _, e := range c.Endpoints {
			if e.NetworkID == "vlan" {
				q.NIC, q.Source, q.Container = "eth0", e.Addrs[0], c.ID
				return
			}
		}
	}
}

func (a asker) loopback() netip.Addr {
	if a.v6 {
		return netip.IPv6Loopback()
	}
	return netip.MustParseAddr("127.0.0.1")
}

// bridge draws one that has addresses of the family.
func (a asker) bridge() (wire, bool) {
	var able []wire
	for _, w := range a.bridges {
		if w.has(a.v6) {
			able = append(able, w)
		}
	}
	if len(able) == 0 {
		return wire{}, false
	}
	return pick(a.t, "bridge", able), true
}

// addrsOn are the family's addresses that containers have on the network.
func (a asker) addrsOn(w wire) []netip.Addr {
	var all []netip.Addr
	for _, c := range a.s.Containers {
		for _, e := range c.Endpoints {
			if e.NetworkID == w.id {
				all = append(all, a.family(e.Addrs)...)
			}
		}
	}
	return all
}

func (a asker) nic() string {
	var names []string
	for _, n := range outsideNICs() {
		for _, l := range a.s.Links {
			if l.Name == n.name {
				names = append(names, l.Name)
			}
		}
	}
	return pick(a.t, "nic", names)
}

func outsideAddrs() []netip.Addr {
	return addrs("203.0.113.7", "203.0.113.8", "198.51.100.7", "10.0.0.77", "192.0.2.77", "2001:db8:f::7", "2001:db8:f::8",
		"2001:db8:e::7", "fe80::77")
}

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func (a asker) family(from []netip.Addr) []netip.Addr {
	var all []netip.Addr
	for _, x := range from {
		if x.Is6() == a.v6 {
			all = append(all, x)
		}
	}
	return all
}

// to draws what is dialled: mostly a host address, otherwise a container's, a
// stranger's on a bridge, or one elsewhere.
func (a asker) to(q *policy.Question) {
	kind := rapid.IntRange(0, 16).Draw(a.t, "destination")
	w, ok := a.bridge()
	switch {
	case kind == 16:
		a.behind(q)
	case kind == 15 && ok:
		q.Dest = w.addr(99, a.v6)
	case kind == 14 && !a.v6:
		q.Dest = netip.MustParseAddr("127.0.0.1")
	case kind == 13 && !a.v6:
		q.Dest = netip.MustParseAddr(pick(a.t, "macvlan address", []string{"198.18.0.2", "198.18.0.3", "198.18.0.4"}))
	case kind > 9 && ok:
		if known := a.addrsOn(w); len(known) > 0 {
			q.Dest = pick(a.t, "container's address", known)
		}
	case kind > 6:
		q.Dest, q.Out = pick(a.t, "elsewhere", a.family(outsideAddrs())), a.nic()
		fromDocker := slices.ContainsFunc(a.bridges, func(w wire) bool { return w.id != "" && w.bridge == q.NIC })
		if fromDocker && ok && w.id != "" && seldom(a.t, "not routed") {
			q.Out = w.bridge
			q.Dest = pick(a.t, "elsewhere by a bridge", a.family(append(outsideAddrs(), addrs("10.8.0.7", "fd08::7")...)))
		}
	}
	if seldom(a.t, "name server") {
		if known := a.family(a.s.NameServers); len(known) > 0 {
			q.Dest, q.Out = pick(a.t, "name server", known), ""
		}
	}
	if host := a.hostAddrs(); !q.Dest.IsValid() && len(host) > 0 {
		q.Dest = pick(a.t, "host address", host)
	}
	if !q.Dest.IsValid() {
		q.Dest, q.Out = pick(a.t, "elsewhere", a.family(outsideAddrs())), a.nic()
	}
	if at := policy.Locate(a.s, q.Dest).Kind; q.Out == "" && (at == policy.OffBridge || at == policy.Elsewhere) {
		q.Out = "eth0"
	}
}

// behind draws an address to which routes lead behind a container, and perhaps by
// which of the routes the packet leaves.
func (a asker) behind(q *policy.Question) {
	if len(a.s.Routes) == 0 {
		return
	}
	q.Dest = pick(a.t, "behind", a.family(behindAddrs()))
	var links []string
	for _, r := range append(slices.Clone(a.s.Routes), a.s.OtherRoutes...) {
		if r.Prefix.Contains(q.Dest) {
			links = append(links, r.Link)
		}
	}
	if len(links) > 0 && seldom(a.t, "by one route") {
		q.Out = pick(a.t, "route", links)
	}
}

func behindAddrs() []netip.Addr {
	return addrs("10.8.0.7", "10.8.0.200", "10.8.9.7", "172.30.0.7", "fd08::7")
}

func (a asker) hostAddrs() []netip.Addr {
	var all []netip.Addr
	for _, l := range a.s.Links {
		for _, p := range l.Addrs {
			if l.Name != "lo" {
				all = append(all, a.family([]netip.Addr{p.Addr()})...)
			}
		}
	}
	return all
}

// port draws one that means something there, or any of the universe's.
func (a asker) port(dest netip.Addr) uint16 {
	var known []uint16
	at := policy.Locate(a.s, dest)
	for _, c := range a.s.Containers {
		for _, p := range c.Ports {
			switch {
			case at.Kind == policy.OnHost && p.HostPort != 0:
				known = append(known, p.HostPort)
			case at.Container != nil && at.Container.ID == c.ID:
				known = append(known, p.ContainerPort)
			}
		}
	}
	if slices.Contains(a.s.NameServers, dest) && rapid.Bool().Draw(a.t, "name server's port") {
		return 53
	}
	if len(known) > 0 && rapid.Bool().Draw(a.t, "known port") {
		return pick(a.t, "port", known)
	}
	all := append(hostPorts(), containerPorts()...)
	return pick(a.t, "port", append(all, 22, 2376, 4243, 2377, 7946, 4789))
}
