package compile

import (
	"net/netip"
	"slices"

	"go4.org/netipx"

	"dockwall/netinfo"
	"dockwall/rules"
)

// byUnannounced is the origin of the rules that drop the host's packets to containers that
// are not known yet.
var byUnannounced = rules.KindUnannounced.Origin()

// manyAddrs are destinations that docker-proxy never dials: groups, everybody,
// and what is on the link alone.
var manyAddrs = append(slices.Clone(groups), linkLocal)

// output builds what OUTPUT calls. Connections to docker-proxy are judged in
// INPUT by the host's port. INPUT cannot distinguish a published port that is not
// known yet from the host's own services. But docker-proxy then dials the
// container, and OUTPUT sees which one: until INPUT knows the container's ports,
// even if the agent is not running, the host's packets to it are refused.
//
// docker-proxy dials addresses in the subnets of Docker's networks only. Addresses
// that lie behind a container are the host's own business, and so is an address in such
// a subnet once it is known that no container has it, nor one that is being started.
//
//	OUTPUT ─► OUTPUT-NEW ─► by a Docker bridge ─► OUTPUT-HOLD: announced? passes
//	                     │                        ├► in the subnet of a network ─► OUTPUT-MAKING: refused
//	                     │                        ├► by a bridge whose subnets are known: passes
//	                     │                        └► OUTPUT-MAKING
//	                     └► elsewhere: none of our business
func (b *builder) output() {
	b.begun(b.chain(chainOutput), chainOutputNew, "")
	c := b.chain(chainOutputNew)
	c.add(b.ret(byLoopback, out(link{name: "lo"})))
	b.toDocker(c, chainOutputHold)
	b.outputHold()
}

// outputHold passes what docker-proxy cannot dial and what it may.
func (b *builder) outputHold() {
	c := b.chain(chainOutputHold)
	c.add(b.stamp())
	c.add(b.ret(byUnannounced, b.announcedSet()))
	for _, p := range manyAddrs {
		c.add(b.ret(byNeighbours, rules.Destination{Prefix: p}))
	}
	// No set: it may be emptied by another program, or filled a moment after the rule for
	// the bridge of a new network is there.
	for _, p := range slices.Compact(b.subnets()) {
		c.add(b.goTo(chainOutputMaking, byUnannounced, rules.Destination{Prefix: p}))
	}
	for _, l := range b.knownBridges() {
		c.add(b.ret(byForwarded, out(l)))
	}
	c.add(b.goTo(chainOutputMaking, byUnannounced))
	b.outputMaking()
}

// outputMaking refuses, whatever deny_with says: a SYN that was dropped is sent
// again, and by then would bring a connection that INPUT had no part in to a
// container that is known. It is reported, whatever log_denied says: the agent finds
// out whether a container is being started there.
func (b *builder) outputMaking() {
	c := b.chain(chainOutputMaking)
	for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP} {
		ms := []rules.Match{rules.Proto{Proto: proto}}
		c.add(rules.Rule{Match: append(slices.Clone(ms), rules.Limit{Rate: holdRate, Burst: holdBurst}), Origin: byUnannounced,
			Verdict: rules.Verdict{Kind: rules.Log, Group: HoldGroup, Prefix: LogPrefix(byUnannounced.Subject)}})
		c.add(rules.Rule{Match: ms, Verdict: rules.Verdict{Kind: rules.Reject}, Origin: byUnannounced})
	}
}

// announcedSet is the set of the addresses on Docker bridges that the host may
// dial. It is filled after the set of published ports.
//
// Only the engine's word counts. What was seen on a bridge may be all that is left
// of a container that is gone, and the next one gets its address. What the host has
// dialled is another matter: no docker-proxy dials it.
func (b *members) announcedSet() rules.InSet {
	name := rules.PurposeName("o", "announced")
	b.gather(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, After: publishedPortsSet, Origin: byUnannounced}, func(c netinfo.Container) []rules.Member {
		if !b.announced(c) {
			return nil
		}
		var ms []rules.Member
		for _, a := range b.selected(nil, c) {
			ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen())})
		}
		return ms
	}, rules.SortMembers(append(b.reserved(), single(b.s.Dialled)...))...)
	return rules.InSet{Set: name, Dims: []rules.Dim{rules.Dst}}
}

// announced reports whether every host port is known that Docker binds for the
// container. One that Docker picks itself is not until it was picked.
func (b *scope) announced(c netinfo.Container) bool {
	if c.Unread || len(b.p.Quarantines) > 0 && !b.judged(c) {
		return false // docker-proxy dials for hosts that the rules of INPUT do not know yet
	}
	for _, p := range c.Ports {
		picked := func(o netinfo.PublishedPort) bool {
			return o.HostPort != 0 && o.Proto == p.Proto && o.ContainerPort == p.ContainerPort
		}
		if p.HostPort == 0 && b.binds(c) && !slices.ContainsFunc(c.Ports, picked) {
			return false
		}
	}
	return true
}

// binds reports whether Docker may bind ports of the host for the container: not
// where all its networks are in routed mode.
func (b *scope) binds(c netinfo.Container) bool {
	return slices.ContainsFunc(b.gateways(c), func(n netinfo.Network) bool {
		return n.Mode4 != netinfo.GatewayRouted || n.Mode6 != netinfo.GatewayRouted
	})
}

// reserved are the addresses on Docker bridges that no container ever has.
func (b *scope) reserved() []rules.Member {
	var as []netip.Addr
	for _, n := range b.s.Networks {
		if n.Bridge == "" {
			continue
		}
		as = append(as, n.Gateways...)
		if n.Ingress.IsValid() {
			as = append(as, n.Ingress)
		}
		for _, p := range n.Subnets {
			if p.Addr().Is4() {
				as = append(as, netipx.PrefixLastIP(p)) // broadcast
			}
		}
	}
	slices.SortFunc(as, netip.Addr.Compare)
	return single(slices.Compact(as))
}

// single returns the addresses as members of a set.
func single(as []netip.Addr) []rules.Member {
	ms := make([]rules.Member, 0, len(as))
	for _, a := range as {
		ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen())})
	}
	return ms
}
