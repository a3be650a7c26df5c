package compile

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"go4.org/netipx"

	"dockwall/netinfo"
	"dockwall/rules"
)

// The chains that a packet meets before connection tracking does.
const (
	chainEarly      = "DOCKWALL-PREROUTING"
	chainSources    = "DOCKWALL-SOURCES"
	chainSourceLink = "DOCKWALL-SOURCES-LINK"
	chainSourceOwn  = "DOCKWALL-SOURCES-OWN"
	chainShared     = "DOCKWALL-SOURCES-SHARED"
	chainSpoofed    = "DOCKWALL-SPOOFED"
)

// bySpoofed is the origin of what refuses a source that cannot be behind the
// interface that the packet came in by.
var bySpoofed = rules.KindSpoofed.Origin()

// groups are the destinations of packets to many.
var groups = []netip.Prefix{netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("255.255.255.255/32"), groups6}

// linkLocal are the addresses that mean another host on every link.
var linkLocal = netip.MustParsePrefix("fe80::/10")

// early builds what PREROUTING calls, before connection tracking. One packet with a
// forged source would make an entry there, and every later packet to or from that
// source would be ESTABLISHED: the strictest rule for new connections never sees
// them. So what claims to come from a container or from the host is refused where
// it cannot come from. Sources that are merely routed elsewhere pass: an uplink may
// be asymmetric.
//
//	PREROUTING ─► lo: passes
//	           ├► from a loopback address ─► SOURCES-OWN
//	           ├► from a container's subnet, one of the host's addresses, or behind a container ─► SOURCES
//	           └► from a link-local address ─► SOURCES-LINK: the host's own there? ─► SOURCES-OWN
//	SOURCES    ─► by a bridge on which the host has no address: passes
//	           ├► the host's own ─► SOURCES-OWN: to a group? passes, else SPOOFED
//	           ├► by the subnet's own bridge: passes
//	           ├► from a subnet that other hosts share, by no bridge of Docker's: passes
//	           ├► from behind a container, by a link that a route leads there by: passes
//	           └► SPOOFED
func (b *builder) early() {
	c := b.chain(chainEarly)
	c.add(b.ret(byLoopback, in(link{name: "lo"})))
	// In the set these would be one more prefix length, which costs every packet a
	// lookup; to compare a prefix costs next to nothing.
	for _, p := range loopbacks {
		c.add(b.goTo(chainSourceOwn, byDispatch, rules.Source{Prefix: p}))
	}
	c.add(b.goTo(chainSources, byDispatch, b.claimedSet()))
	if len(b.own.local) > 0 {
		c.add(b.goTo(chainSourceLink, byDispatch, rules.Source{Prefix: linkLocal}))
	}
	b.claimed()
	l := b.chain(chainSourceLink)
	for _, o := range b.own.local {
		l.add(b.goTo(chainSourceOwn, byDispatch, in(o.at), rules.Source{Prefix: o.addr}))
	}
	spoofed := b.chain(chainSpoofed)
	spoofed.report(bySpoofed)
	// Never rejected: the answer would go to the one whose address was forged.
	spoofed.add(rules.Rule{Verdict: rules.Verdict{Kind: rules.Drop}, Origin: bySpoofed})
}

// claimed passes packets from containers on their own bridge.
func (b *builder) claimed() {
	c := b.chain(chainSources)
	for _, l := range b.own.wires {
		c.add(b.ret(byForwarded, in(l)))
	}
	c.add(b.goTo(chainSourceOwn, byDispatch, b.sourcesSet("own", rules.Src, b.own.addrs)))
	for _, p := range slices.Concat(b.own.places, b.own.shared) {
		c.add(b.ret(byDispatch, in(p.at), rules.Source{Prefix: p.addr}))
	}
	for _, p := range b.own.shared {
		c.add(b.goTo(chainShared, byDispatch, rules.Source{Prefix: p.addr}))
	}
	b.passBehind(c)
	c.add(b.goTo(chainSpoofed, byDispatch))
	s := b.chain(chainShared)
	for _, l := range b.top.inside {
		s.add(b.goTo(chainSpoofed, byDispatch, in(l)))
	}
	// The kernel shows the host its own broadcasts and multicasts as if they had
	// come in by the interface that they left by.
	o := b.chain(chainSourceOwn)
	o.add(b.ret(byNeighbours, b.sourcesSet("groups", rules.Dst, b.own.groups)), b.goTo(chainSpoofed, byDispatch))
}

// passBehind passes packets from addresses behind a container if they come in by a link
// that a route leads there by. A container's own address may be in such a prefix; it
// stays on its network's bridge.
func (b *builder) passBehind(c *chain) {
	if len(b.own.behind) == 0 {
		return
	}
	c.add(b.goTo(chainSpoofed, byDispatch, b.containersSet()))
	for at, ps := range byLink(slices.Concat(b.own.behind, b.own.beside)) {
		c.add(b.ret(byDispatch, in(at), b.sourcesSet("behind "+at.name, rules.Src, ps)))
	}
}

// byLink yields each link and its prefixes. The list is sorted by link.
func byLink(all []at) iter.Seq2[link, []netip.Prefix] {
	return func(yield func(link, []netip.Prefix) bool) {
		for len(all) > 0 {
			n := slices.IndexFunc(all, func(a at) bool { return a.at != all[0].at })
			if n < 0 {
				n = len(all)
			}
			if !yield(all[0].at, addrsOf(all[:n])) {
				return
			}
			all = all[n:]
		}
	}
}

// ClaimedSet is the name of the set of the sources that are refused where they cannot
// come from. ClaimingChain looks packets up in it.
func ClaimedSet() string { return rules.PurposeName(rules.FramingKind, claimedWord) }

// ClaimingChain is the chain that PREROUTING calls.
const ClaimingChain = chainEarly

const claimedWord = "claimed"

// claimedSet is the set of all sources that belong to one place on this host, except
// loopback addresses.
func (b *members) claimedSet() rules.InSet {
	all := slices.Concat(b.own.addrs, addrsOf(b.own.places), addrsOf(b.own.shared), addrsOf(b.own.behind))
	return b.addSources(rules.Set{Gate: true, Members: prefixMembers(all)}, claimedWord, rules.Src)
}

// containersSet is the set of the sources that only containers have.
func (b *members) containersSet() rules.InSet {
	return b.sourcesSet("containers", rules.Src, addrsOf(b.own.places))
}

// addrsOf returns the addresses of the places.
func addrsOf(places []at) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(places))
	for _, p := range places {
		all = append(all, p.addr)
	}
	return all
}

// sourcesSet is the set of these addresses, which no container changes. The word
// tells it from the others of its kind.
func (b *members) sourcesSet(word string, side rules.Dim, ps []netip.Prefix) rules.InSet {
	return b.addSources(rules.Set{Members: prefixMembers(ps)}, word, side)
}

// addSources adds the set under the name that the word gives it.
func (b *members) addSources(s rules.Set, word string, side rules.Dim) rules.InSet {
	s.Name, s.Type, s.InPlace, s.Origin = rules.PurposeName(rules.FramingKind, word), rules.HashNet, true, bySpoofed
	b.addSet(s)
	return rules.InSet{Set: s.Name, Dims: []rules.Dim{side}}
}

func prefixMembers(ps []netip.Prefix) []rules.Member {
	ms := make([]rules.Member, 0, len(ps))
	for _, p := range ps {
		ms = append(ms, rules.Member{Prefix: p})
	}
	return rules.SortMembers(ms)
}

// own is what the host's links say of sources.
type own struct {
	// addrs are the host's own addresses except loopback ones, groups the destinations
	// of packets that it may send to itself by way of a NIC.
	addrs, groups []netip.Prefix
	// local are its link-local addresses, each of which is its own on one link only.
	local []at
	// places are the subnets of Docker's networks and the bridge that each is behind.
	// Those of shared have other hosts in them as well, behind a NIC that is a port of
	// the bridge: these may come by another uplink, but not from another network.
	places, shared []at
	// behind are prefixes behind a container and the bridge that it is on, beside
	// other links that routes lead there by. Both are sorted by link.
	behind, beside []at
	// wires are bridges without an address of the host's: what br_netfilter shows of
	// them are frames between other hosts, which may use whatever addresses they like.
	wires []link
}

// at is addresses at one interface.
type at struct {
	addr netip.Prefix
	at   link
}

func newOwn(s netinfo.Snapshot) own {
	o := own{groups: slices.Clone(groups), behind: routed(s.Routes), beside: routed(s.OtherRoutes)}
	ports := newPorts(s.Links)
	bridges := map[string]bool{}
	for _, n := range s.Networks {
		bridges[n.Bridge] = true
	}
	for _, l := range s.Links {
		o.link(l, ports.of[l.Index] != 0)
		if named, ok := linkOf(l.Name); ok && l.Kind == "bridge" && !bridges[l.Name] && !hasGlobal(l) {
			o.wires = append(o.wires, named)
		}
	}
	for _, n := range s.Networks {
		o.network(n, s.Links, ports)
	}
	for _, ps := range []*[]netip.Prefix{&o.addrs, &o.groups} {
		slices.SortFunc(*ps, netip.Prefix.Compare)
		*ps = slices.Compact(*ps)
	}
	return o
}

// link adds the link's own addresses. Link-local ones of a bridge's port mean
// nothing: no packet comes in by it.
func (o *own) link(l netinfo.Link, port bool) {
	named, ok := linkOf(l.Name)
	for _, p := range l.Addrs {
		a := p.Addr()
		one := netip.PrefixFrom(a, a.BitLen())
		switch {
		case a.IsLoopback():
		case a.Is6() && a.IsLinkLocalUnicast():
			if ok && !named.prefix && !port {
				o.local = append(o.local, at{one, named})
			}
		default:
			o.addrs = append(o.addrs, one)
			if last := netipx.PrefixLastIP(p.Masked()); a.Is4() && p.Bits() < 31 {
				o.groups = append(o.groups, netip.PrefixFrom(last, 32))
			}
		}
	}
}

// network adds the network's subnets.
func (o *own) network(n netinfo.Network, links []netinfo.Link, ports ports) {
	named, ok := linkOf(n.Bridge)
	if !ok {
		return
	}
	list := &o.places
	if slices.ContainsFunc(links, func(l netinfo.Link) bool { return l.Name == n.Bridge && ports.foreign[l.Index] }) {
		list = &o.shared
	}
	for _, p := range n.Subnets {
		*list = append(*list, at{p.Masked(), named})
	}
}

// routed returns the prefixes of the routes with their links, each once.
func routed(routes []netinfo.Route) []at {
	var all []at
	for _, r := range routes {
		if named, ok := linkOf(r.Link); ok {
			all = append(all, at{r.Prefix, named})
		}
	}
	slices.SortFunc(all, compareAt)
	return slices.Compact(all)
}

func compareAt(a, b at) int { return cmp.Or(cmp.Compare(a.at.name, b.at.name), a.addr.Compare(b.addr)) }

func hasGlobal(l netinfo.Link) bool {
	return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return !p.Addr().IsLinkLocalUnicast() })
}

func (o own) equal(other own) bool {
	return slices.Equal(o.addrs, other.addrs) && slices.Equal(o.groups, other.groups) && slices.Equal(o.local, other.local) &&
		slices.Equal(o.places, other.places) && slices.Equal(o.shared, other.shared) && slices.Equal(o.wires, other.wires) &&
		slices.Equal(o.behind, other.behind) && slices.Equal(o.beside, other.beside)
}
