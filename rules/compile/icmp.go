package compile

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules"
)

// chainRouters refuses the messages by which a router takes over a host's traffic.
const chainRouters = "DOCKWALL-ROUTERS"

var (
	byICMP    = rules.KindICMP.Origin()
	byRouters = rules.KindRouters.Origin()
	icmps     = []rules.Proto{{Proto: netinfo.ICMP}, {Proto: netinfo.ICMPv6}}
)

// icmp is one type of ICMP messages.
type icmp struct {
	proto rules.Proto
	kind  uint8
}

func (m icmp) matches() []rules.Match { return []rules.Match{m.proto, rules.ICMPType{Type: m.kind}} }

// redirects tell a host to send by another router.
var redirects = []icmp{
	{icmps[0], rules.TypeRedirect4},
	{icmps[1], rules.TypeRedirect6},
}

// echo4 and echo6 are pings.
var (
	echo4 = icmp{icmps[0], rules.TypeEcho4}
	echo6 = icmp{icmps[1], rules.TypeEcho6}
)

// possible reports whether a packet of either family can match the rule: not if it
// names addresses, or an address and an ICMP, of both.
func possible(r rules.Rule) bool { return r.InFamily(4) || r.InFamily(6) }

// discovery is how neighbours find each other's Ethernet addresses.
var discovery = []icmp{
	{icmps[1], rules.TypeNeighbourSolicit},
	{icmps[1], rules.TypeNeighbourAdvertise},
}

// groups6 are the destinations of IPv6 multicast.
var groups6 = netip.MustParsePrefix("ff00::/8")

// routers refuses router advertisements and redirects. The router of a container is
// the host, and the host has no router among the containers: such a message makes
// its sender one.
func (c *chain) routers() {
	c.deny(byRouters, icmp{icmps[1], rules.TypeRouterAdvertisement}.matches()...)
	for _, m := range redirects {
		c.deny(byRouters, m.matches()...)
	}
}

// icmpToHost sends ICMP from containers to a chain that refuses what routers send,
// and lets pass the rest. ICMP is not a service: without neighbour discovery a
// container has no IPv6 at all.
func (b *paths) icmpToHost(c *chain) {
	b.chain(chainRouters).routers()
	for _, p := range icmps {
		c.add(b.goTo(chainRouters, byICMP, p))
	}
}

// neighbours begins the chain that keeps containers of one bridge apart. Two that
// are allowed to talk have to find each other first, in both directions. Other
// ICMPv6 that connection tracking leaves alone (router solicitations, multicast
// listeners' reports) is for routers and for the bridge, which has seen it already.
// Every container's kernel sends it when it starts: it is refused without a report.
func (b *paths) neighbours(c *chain) {
	c.routers()
	for _, m := range discovery {
		c.add(b.ret(byNeighbours, m.matches()...))
	}
	c.add(rules.Rule{Match: []rules.Match{rules.Destination{Prefix: groups6}, icmps[1], rules.Conn{States: []rules.ConnState{rules.StateUntracked}}},
		Verdict: rules.Verdict{Kind: rules.Drop}, Origin: byNeighbours})
}
