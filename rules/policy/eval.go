package policy

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/published"
)

// Eval is the meaning of a policy: whether an attempt to open a connection is
// let through, and what says so. It is written to be read beside the contract,
// and to be slow; rules/compile must come to the same answers by its own way.
//
// The order is: what never meets the host's rules, the host's own traffic, forged
// sources, the block blocks, the quarantine blocks, ICMP errors about open connections, then what the
// attempt is for. That an open connection announced an attempt allows nothing.
func Eval(p Policy, s netinfo.Snapshot, q Question) Answer {
	e := eval{p, s, q.plain()}
	switch {
	case !Covered(s, e.q):
		return framed(true, ByNotCovered, ClassUncovered)
	case ours(e.q.NIC):
		return framed(true, ByNobody, ClassLocal)
	}
	if e.spoofed() {
		return framed(false, BySpoofed, ClassSpoofed)
	}
	from := side(s, e.q.NIC)
	if a, blocked := e.blocked(from != outside); blocked {
		return a
	}
	if a, quarantined := (quarantines{e}).quarantined(from); quarantined {
		return a
	}
	if e.isError() {
		return framed(true, ByEstablished, ClassError)
	}
	if e.q.dst().IsLoopback() {
		// With route_localnet, which Docker sets in some modes, the host's
		// loopback services would answer.
		return framed(false, ByLoopback, ClassLoopback)
	}
	switch from {
	case inside:
		return e.fromContainer()
	case unplaced:
		return e.fromUnplaced()
	}
	return e.fromOutside()
}

type eval struct {
	p Policy
	s netinfo.Snapshot
	q Question
}

// blocked: nothing from these, and no container to these.
func (e eval) blocked(inside bool) (Answer, bool) {
	for _, b := range e.p.Blocks {
		if holds(b.From, e.q.Source) || inside && holds(b.To, e.q.dst()) {
			return answer(false, rules.KindBlock, b.Name, b.Origin, ClassBlock), true
		}
	}
	return Answer{}, false
}

// isError reports whether the packet is an ICMP error about an open connection.
func (e eval) isError() bool {
	switch e.q.Proto {
	case netinfo.ICMP:
		return e.q.Expected && e.q.ICMPType != rules.TypeRedirect4
	case netinfo.ICMPv6:
		return e.q.Expected && e.q.ICMPType < 128 // RFC 4443: errors are those below
	}
	return false
}

func (e eval) fromOutside() Answer {
	at := e.q.To(e.s)
	switch {
	case at.Kind == OnHost:
		return e.outsideToHost()
	case at.Kind != OnBridge:
		return framed(true, ByNobody, ClassTransit)
	case quarantines{e}.unjudged(at, e.q.dst()):
		return framed(false, ByHeld, ClassQuarantine)
	case e.q.DNAT.IsValid():
		return e.published([]target{{at, e.q.Port}}, e.q.Port)
	case e.routedPort(at):
		// It is a published port and the container's own address: both kinds of
		// blocks can allow it.
		a := e.published([]target{{at, e.q.Port}}, e.q.Port)
		if straight := e.direct(at); a.Origin.Subject.Default() && straight.Origin.Subject.Kind == rules.KindDirect {
			return straight
		}
		return a
	}
	return e.direct(at)
}

// direct judges what is routed straight to a container's own address, or to what
// lies behind a container.
func (e eval) direct(at Place) Answer {
	for _, b := range e.p.Direct {
		everything := len(b.To) == 0 && b.Behind.Empty()
		named := everything || len(b.To) > 0 && covers(b.To, at) || holds(b.Behind, e.q.dst())
		if named && e.anyPort(b.Ports, e.q.Port) && within(b.From, b.Except, e.q.Source) && byNIC(e.s, b.Via, e.q.NIC) {
			return answer(true, rules.KindDirect, b.Name, b.Origin, ClassDirect)
		}
	}
	a := e.p.byDefault(rules.KindDirect, at.Network, ClassDirect)
	if unknown := at.Container == nil && !at.Routed; a.Allow && unknown && at.network.Mode(e.q.Dest.Is6()) == netinfo.GatewayRouted {
		// The port may be one that a container there has just published.
		if p := e.p.byDefault(rules.KindPublished, at.Network, ClassDirect); !p.Allow {
			return p
		}
	}
	return a
}

// routedPort reports whether the dialled port of a container's own address is
// one that its network in routed mode publishes.
func (e eval) routedPort(at Place) bool {
	return at.Container != nil && at.network.Mode(e.q.Dest.Is6()) == netinfo.GatewayRouted &&
		publishes(at.Container, e.q.Proto, e.q.Port)
}

// outsideToHost judges what is received on the host itself: docker-proxy, a
// host-network container, the engine, or a service of the host's own.
func (e eval) outsideToHost() Answer {
	running, stopped := publishedAt(e.s, e.q)
	named := e.namedHostNetwork()
	switch {
	case dockerdListens(e.s, e.q):
		return e.dockerAPI()
	case len(running) > 0:
		return e.published(e.behind(running), e.q.Port)
	case e.isDockerAPI():
		return e.dockerAPI()
	case e.isSwarm():
		return e.swarm()
	case len(e.onHostNetwork()) > 0:
		return e.hostNetworkPort()
	case len(named) > 0:
		return e.hostNetwork(named)
	case len(stopped) > 0:
		return e.p.byDefault(rules.KindPublished, "", ClassPublished)
	}
	if next := e.nextHostNetwork(); len(next) > 0 && !serviceListens(e.s, e.q) {
		return e.hostNetwork(next)
	}
	return framed(true, ByNobody, ClassService)
}

// target is a place that may be behind a port, and the container's own port.
type target struct {
	at   Place
	port uint16
}

// behind gathers every place that may be behind the port: which of them the
// kernel takes is not known.
func (e eval) behind(cs []published.Claim) []target {
	var ts []target
	for _, c := range cs {
		for _, at := range placesBehind(e.s, c) {
			ts = append(ts, target{at, c.Port.ContainerPort})
		}
	}
	return ts
}

// every reports whether all the places satisfy ok.
func every(ts []target, ok func(target) bool) bool {
	for _, t := range ts {
		if !ok(t) {
			return false
		}
	}
	return true
}

// defaultsOf answers by the defaults of all the places: allowed where all
// allow.
func (e eval) defaultsOf(k rules.Kind, ts []target, class Class) Answer {
	var first Answer
	for i, t := range ts {
		a := e.p.byDefault(k, t.at.Network, class)
		if !a.Allow {
			return a
		}
		if i == 0 {
			first = a
		}
	}
	return first
}

// published judges what comes from outside for a container's published port;
// the port is the host's, in routed mode the container's. Where several places
// may be behind it, a block allows if it names them all.
func (e eval) published(ts []target, port uint16) Answer {
	for _, b := range e.p.Published {
		named := every(ts, func(t target) bool { return covers(b.To, t.at) })
		if named && e.anyPort(b.Ports, port) && e.lets(b) {
			return answer(true, rules.KindPublished, b.Name, b.Origin, ClassPublished)
		}
	}
	return e.defaultsOf(rules.KindPublished, ts, ClassPublished)
}

func (e eval) lets(b *Published) bool {
	return within(b.From, b.Except, e.q.Source) && byNIC(e.s, b.Via, e.q.NIC)
}

// onHostNetwork are the containers on the host's network of which a process listens at
// the dialled address and port.
func (e eval) onHostNetwork() (listening []*netinfo.Container) {
	for i := range e.s.Containers {
		if c := &e.s.Containers[i]; published.Listens(c, e.q.Proto, netip.AddrPortFrom(e.q.Dest, e.q.Port)) {
			listening = append(listening, c)
		}
	}
	return listening
}

// hostNetworkPort judges what comes from outside for such a port, which is a published
// port of its container.
func (e eval) hostNetworkPort() Answer {
	for _, b := range e.p.Published {
		for _, c := range e.onHostNetwork() {
			if covers(b.To, Place{Network: hostNetworkName, Container: c}) && e.anyPort(b.Ports, e.q.Port) && e.lets(b) {
				return answer(true, rules.KindPublished, b.Name, b.Origin, ClassHostNet)
			}
		}
	}
	return e.p.byDefault(rules.KindPublished, hostNetworkName, ClassHostNet)
}

// namedHostNetwork are the published blocks that name a host-network container
// and the dialled port, on which nothing of it listens yet. Left-out attributes name
// nothing: every service of the host's own would be shut.
func (e eval) namedHostNetwork() (named []*Published) {
	for _, b := range e.p.Published {
		if len(b.To) > 0 && hasPort(b.Ports, e.q.Proto, e.q.Port) && e.namesHostNetwork(b) {
			named = append(named, b)
		}
	}
	return named
}

// nextHostNetwork are the published blocks that name the dialled port, and a
// container that is not there: it may start on the host's network at any moment,
// and then has the port before anybody knows of it.
func (e eval) nextHostNetwork() (next []*Published) {
	for _, b := range e.p.Published {
		if mayBeOnHost(b.To) && hasPort(b.Ports, e.q.Proto, e.q.Port) && !e.namesHostNetwork(b) {
			next = append(next, b)
		}
	}
	return next
}

// mayBeOnHost reports whether a selector can choose a container on the host's
// network.
func mayBeOnHost(list []*Selector) bool {
	for _, sel := range list {
		if len(sel.Networks) == 0 || sel.OnNetwork(hostNetworkName) {
			return true
		}
	}
	return false
}

// namesHostNetwork reports whether the block names a host-network container that
// is there.
func (e eval) namesHostNetwork(b *Published) bool {
	for i := range e.s.Containers {
		c := &e.s.Containers[i]
		if c.HostNetwork && c.SharesWith == "" && covers(b.To, Place{Network: hostNetworkName, Container: c}) {
			return true
		}
	}
	return false
}

// hostNetworkName is what Docker calls the host's own network.
const hostNetworkName = "host"

func (e eval) hostNetwork(named []*Published) Answer {
	for _, b := range named {
		if e.lets(b) {
			return answer(true, rules.KindPublished, b.Name, b.Origin, ClassHostNet)
		}
	}
	return e.p.byDefault(rules.KindPublished, hostNetworkName, ClassHostNet)
}

// dockerAPI is closed to outside and to containers alike unless the block
// allows.
func (e eval) dockerAPI() Answer {
	b := e.p.DockerAPI
	if b == nil {
		return framed(false, rules.KindDockerAPI, ClassDockerAPI)
	}
	allow := e.anyPort(b.Ports, e.q.Port) && within(b.From, b.Except, e.q.Source) && byNIC(e.s, b.Via, e.q.NIC)
	if allow && b.RequireTLS && !asksForCertificate(e.s, e.q.Port) {
		return answer(false, rules.KindDockerAPI, "", b.Origin, ClassNoTLS)
	}
	return answer(allow, rules.KindDockerAPI, "", b.Origin, ClassDockerAPI)
}

// asksForCertificate reports whether the probes of all sockets on the port, of which
// there has to be one, showed that only clients with a certificate are answered.
func asksForCertificate(s netinfo.Snapshot, port uint16) bool {
	asks, others := 0, 0
	for _, p := range s.Proofs {
		switch {
		case p.Port != port || p.Addr.IsLoopback():
		case p.State == netinfo.ProofProtected:
			asks++
		default:
			others++
		}
	}
	return asks > 0 && others == 0
}
