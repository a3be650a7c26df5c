package policy

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules"
)

// fromContainer judges what came in by a Docker bridge.
//
// A packet from or to an address outside the Docker networks may cross a bridge
// without being routed. By the connection that it opens later packets would leave the
// host, so egress has to allow it as well.
func (e eval) fromContainer() Answer {
	from, to := sender(e.s, e.q), e.q.To(e.s)
	if !(to.Kind == OnHost && e.isDiscovery()) && (quarantines{e}).unjudged(from, e.q.Source) || to.Kind == OnBridge && (quarantines{e}).unjudged(to, e.q.dst()) {
		return framed(false, ByHeld, ClassQuarantine)
	}
	if to.Kind == OnBridge && e.isStray(e.q.Source) {
		if a := e.egressBy(from, to.Bridge); !a.Allow {
			return a
		}
	}
	switch {
	case e.q.DNAT.IsValid() && to.Kind == OnBridge:
		return e.toPublished(from, target{to, e.q.DNAT.Port()})
	case to.Kind == OnHost:
		return e.containerToHost(from)
	case to.Kind == OnBridge && (to.Bridge == e.q.NIC || to.Routed || e.routedPort(to)):
		return e.between(from, target{to, e.q.Port})
	case to.Kind == OnBridge:
		return framed(false, ByDirect, ClassDirect)
	}
	by, bridged := networkOf(e.s, e.q.Out)
	if !bridged {
		return e.egress(from)
	}
	near := linkLocal.Contains(e.q.dst()) || e.toMany()
	if !near || e.isStray(e.q.Source) {
		if a := e.egress(from); !a.Allow {
			return a
		}
	}
	return e.between(from, target{place(by, nil), e.q.Port})
}

// isStray reports whether the address is neither a container's nor behind one, and the
// packet can be routed.
func (e eval) isStray(a netip.Addr) bool {
	for _, n := range e.s.Networks {
		if n.Bridge != "" && contains(n.Subnets, a) {
			return false
		}
	}
	return !leads(e.s.Routes, a, "") && !linkLocal.Contains(a) && !e.toMany() && !linkLocal.Contains(e.q.dst())
}

// linkLocal are the addresses that are never routed. IPv4 has none: Linux forwards
// 169.254.0.0/16.
var linkLocal = netip.MustParsePrefix("fe80::/10")

// egressBy is egress for a packet that leaves by the bridge, after DNAT.
func (e eval) egressBy(from Place, bridge string) Answer {
	e.q.Out = bridge
	if e.q.DNAT.IsValid() {
		e.q.Port = e.q.DNAT.Port()
	}
	return e.egress(from)
}

// networkOf returns the network whose bridge the interface is.
func networkOf(s netinfo.Snapshot, nic string) (netinfo.Network, bool) {
	for _, n := range s.Networks {
		if n.Bridge != "" && n.Bridge == nic {
			return n, true
		}
	}
	return netinfo.Network{}, false
}

// containerToHost judges what a container sends to a host address and nothing
// rewrites: docker-proxy serves published ports, which is container to
// container; the rest is the host's.
func (e eval) containerToHost(from Place) Answer {
	running, stopped := publishedAt(e.s, e.q)
	switch {
	case dockerdListens(e.s, e.q):
		return e.dockerAPI()
	case len(running) > 0:
		return e.toPublished(from, e.behind(running)...)
	case e.isDockerAPI():
		return e.dockerAPI()
	case e.isSwarm():
		return e.swarm()
	case len(stopped) > 0:
		if a := e.orNameServer(from, e.p.byDefault(rules.KindBetween, "", ClassBetween)); !a.Allow {
			return a
		}
	default:
		return e.toHost(from)
	}
	return e.host(from)
}

// toPublished judges what a container sends to a published port, behind which these
// places may be. A container always reaches its own.
func (e eval) toPublished(from Place, to ...target) Answer {
	a := e.between(from, to...)
	own := from.Container != nil && e.isItsOwn(from) && every(to, func(t target) bool { return t.at.Container != nil && t.at.Container.ID == from.Container.ID })
	if own && !a.Allow {
		return framed(true, ByOwnPort, ClassBetween)
	}
	return a
}

// isItsOwn reports whether the engine gave the source to the container.
func (e eval) isItsOwn(from Place) bool {
	for _, ep := range from.Container.Endpoints {
		if hasAddr(ep, e.q.Source) {
			return true
		}
	}
	return false
}

// toHost judges what is for the host and no published port.
func (e eval) toHost(from Place) Answer {
	switch {
	case e.fromRouter() && e.p.restrictsHost():
		return framed(false, ByRouters, ClassHost)
	case e.q.Proto == netinfo.ICMP || e.q.Proto == netinfo.ICMPv6:
		// No service: without it path MTU and neighbours would not be found.
		return framed(true, ByNobody, ClassHost)
	}
	return e.host(from)
}

// between judges one container's way to another; the ports are the target's
// own. Where several places may be meant, a block allows if it names them all.
//
// Where the default denies, neighbour discovery passes, since two that may talk
// need it, and no container is another one's router.
func (e eval) between(from Place, to ...target) Answer {
	return e.orNameServer(from, e.judgeBetween(from, to...))
}

func (e eval) judgeBetween(from Place, to ...target) Answer {
	if byDefault := e.defaultsOf(rules.KindBetween, to, ClassBetween); !byDefault.Allow {
		switch {
		case e.fromRouter():
			return framed(false, ByRouters, ClassBetween)
		case e.isDiscovery():
			return framed(true, ByNeighbours, ClassBetween)
		}
	}
	if from.claimed {
		from.Container = nil // what it may restricts it, and allows nothing
	}
	for _, b := range e.p.Between {
		if covers(b.From, from) && every(to, func(t target) bool { return covers(b.To, t.at) && e.anyPort(b.Ports, t.port) }) {
			return answer(true, rules.KindBetween, b.Name, b.Origin, ClassBetween)
		}
	}
	return e.defaultsOf(rules.KindBetween, to, ClassBetween)
}

// fromRouter reports whether only a router sends such a message.
func (e eval) fromRouter() bool {
	switch e.q.Proto {
	case netinfo.ICMP:
		return e.q.ICMPType == rules.TypeRedirect4
	case netinfo.ICMPv6:
		return e.q.ICMPType == rules.TypeRouterAdvertisement || e.q.ICMPType == rules.TypeRedirect6
	}
	return false
}

func (e eval) isDiscovery() bool {
	return e.q.Proto == netinfo.ICMPv6 &&
		(e.q.ICMPType == rules.TypeNeighbourSolicit || e.q.ICMPType == rules.TypeNeighbourAdvertise)
}

// restrictsHost reports whether the policy keeps any container from any of the
// host's services.
func (p Policy) restrictsHost() bool {
	restricts := len(p.Host) > 0 || p.Defaults.Host == Deny
	for _, n := range p.Networks {
		restricts = restricts || n.Host == Deny
	}
	return restricts
}

// egress judges a container's way out. One that any block names may reach only
// what its blocks list; an unknown one is held if a block exists.
func (e eval) egress(from Place) Answer { return e.orNameServer(from, e.judgeEgress(from)) }

func (e eval) judgeEgress(from Place) Answer {
	if len(e.p.Egress) > 0 && e.unknown(from) {
		return framed(false, ByHeld, ClassEgress)
	}
	var by *Egress
	for _, b := range e.p.Egress {
		if !covers(b.From, from) {
			continue
		}
		if by == nil {
			by = b
		}
		if within(b.To, b.Except, e.q.dst()) && e.anyPort(b.Ports, e.q.Port) && byNIC(e.s, b.Via, e.q.Out) {
			return answer(true, rules.KindEgress, b.Name, b.Origin, ClassEgress)
		}
	}
	if by != nil {
		return answer(false, rules.KindEgress, by.Name, by.Origin, ClassEgress)
	}
	return e.p.byDefault(rules.KindEgress, from.Network, ClassEgress)
}

// host judges a container's way to the host's own services, in the same way.
func (e eval) host(from Place) Answer { return e.orNameServer(from, e.judgeHost(from)) }

func (e eval) judgeHost(from Place) Answer {
	if len(e.p.Host) > 0 && e.unknown(from) {
		return framed(false, ByHeld, ClassHost)
	}
	var by *Host
	for _, b := range e.p.Host {
		if !covers(b.From, from) {
			continue
		}
		if by == nil {
			by = b
		}
		if !b.NoPorts && e.anyPort(b.Ports, e.q.Port) {
			return answer(true, rules.KindHost, b.Name, b.Origin, ClassHost)
		}
	}
	if by != nil {
		return answer(false, rules.KindHost, by.Name, by.Origin, ClassHost)
	}
	return e.p.byDefault(rules.KindHost, from.Network, ClassHost)
}

// unknown reports whether the source's owner is not known yet: no
// container's, and not one that turned out to be none's.
func (e eval) unknown(from Place) bool {
	for _, a := range e.s.Strangers {
		if a == e.q.Source {
			return false
		}
	}
	return from.Container == nil
}
