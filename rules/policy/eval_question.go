package policy

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/published"
)

// Question is one attempt to open a connection, as the host meets it.
type Question struct {
	// NIC is the interface that the first packet comes in by: a NIC, or a
	// Docker bridge for what a container sends. "lo" and "" are the host
	// itself.
	NIC string `json:"nic"`
	// Source is the sender's address.
	Source netip.Addr `json:"source"`
	// Container is the ID of the container that asks. It is needed for one on
	// a network that has no bridge (macvlan, ipvlan) only; any other is known
	// by NIC and Source.
	Container string `json:"container,omitempty"`
	// Dest and Port are what was dialled, before DNAT. Port is 0 for protocols
	// that have none.
	Dest  netip.Addr     `json:"dest"`
	Port  uint16         `json:"port,omitempty"`
	Proto rules.Protocol `json:"proto"`
	// DNAT is where Docker's nat rules send it: a container's address and
	// port. Invalid: nothing rewrites it, and what is sent to a host address is
	// received on the host (docker-proxy, a service). Ways fills it in.
	DNAT netip.AddrPort `json:"dnat,omitzero"`
	// Expected: a connection that is open announced this one, and connection
	// tracking calls its packets RELATED (FTP's data); or, in ICMP, an error or a
	// redirect about a connection.
	Expected bool `json:"expected,omitempty"`
	// ICMPType is the type of an ICMP message. 0 stands for a ping: what has that
	// type in IPv4, an echo reply, opens nothing.
	ICMPType uint8 `json:"icmp_type,omitempty"`
	// Out is the NIC that it leaves by, where it is neither for the host nor
	// for a Docker network.
	Out string `json:"out,omitempty"`
}

// IsPing reports whether it is an echo request.
func (q Question) IsPing() bool {
	return (q.Proto == netinfo.ICMP || q.Proto == netinfo.ICMPv6) && (q.ICMPType == 0 || q.ICMPType == q.echo())
}

// echo is the type of an echo request in the question's protocol.
func (q Question) echo() uint8 {
	if q.Proto == netinfo.ICMPv6 {
		return rules.TypeEcho6
	}
	return rules.TypeEcho4
}

// MessageType returns the type that the ICMP message has on the wire.
func (q Question) MessageType() uint8 {
	if q.IsPing() {
		return q.echo()
	}
	return q.ICMPType
}

// dst is the destination as the chains see it.
func (q Question) dst() netip.Addr {
	if q.DNAT.IsValid() {
		return q.DNAT.Addr()
	}
	return q.Dest
}

// plain takes zones and the mapped form off the addresses: prefixes have
// neither.
func (q Question) plain() Question {
	plain := func(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
	q.Source, q.Dest = plain(q.Source), plain(q.Dest)
	if q.DNAT.IsValid() {
		q.DNAT = netip.AddrPortFrom(plain(q.DNAT.Addr()), q.DNAT.Port())
	}
	return q
}

// Ways returns the question in every way that the attempt may reach its
// target: as it is, and once for each container address that DNAT may send it
// to. A snapshot does not say which of them the kernel takes: docker-proxy
// serves what no nat rule matched, and of a container on several networks only
// one address has port mappings.
func Ways(s netinfo.Snapshot, q Question) []Question {
	q = q.plain()
	ways := []Question{q}
	if q.DNAT.IsValid() || ours(q.NIC) || q.Dest.IsLoopback() || Locate(s, q.Dest).Kind != OnHost {
		return ways
	}
	running, _ := publishedAt(s, q)
	for _, b := range running {
		for _, at := range published.Gateways(&s, b.Container) {
			a, ok := addrOf(at.Endpoint, q.Dest.Is6())
			if m := at.Network.Mode(q.Dest.Is6()); !ok || m == netinfo.GatewayRouted || m == netinfo.GatewayIsolated {
				continue
			}
			w := q
			w.DNAT = netip.AddrPortFrom(a, b.Port.ContainerPort)
			ways = append(ways, w)
		}
	}
	return ways
}

func addrOf(e netinfo.Endpoint, v6 bool) (netip.Addr, bool) {
	for _, a := range e.Addrs {
		if a.Is6() == v6 {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// ours reports whether traffic that came in so is the host's own.
func ours(nic string) bool { return nic == "" || nic == "lo" }

// Answer is the verdict on an attempt, and the part of the policy that decides it.
type Answer struct {
	Allow bool `json:"allow"`
	// Origin is the block or the default that decides, or one of the kinds below.
	Origin rules.Origin `json:"origin"`
	// Class says as what the attempt was judged.
	Class Class `json:"class"`
}

// The deciders that are neither blocks nor defaults.
const (
	// ByEstablished: it is an ICMP error about an open connection.
	ByEstablished = rules.KindEstablished
	// ByDirect: a container's address was dialled from outside its network.
	ByDirect = rules.KindDirect
	// ByNeighbours: it is neighbour discovery.
	ByNeighbours = rules.KindNeighbours
	// ByOwnPort: a container dials a port that it publishes itself.
	ByOwnPort = rules.KindOwnPort
	// ByRouters: only a router sends this, and no container is one.
	ByRouters = rules.KindRouters
	// ByHeld: the source is not known yet, and some block restricts sources.
	ByHeld rules.Kind = "held"
	// ByLoopback: a loopback address was dialled from outside the host.
	ByLoopback rules.Kind = "loopback"
	// ByNobody: it is not dockwall's matter.
	ByNobody rules.Kind = "not_judged"
	// BySpoofed: the source cannot be behind the interface.
	BySpoofed = rules.KindSpoofed
	// ByNotCovered: the traffic never meets the host's rules.
	ByNotCovered rules.Kind = "not_covered"
)

// Class is what an attempt is, seen from the host.
type Class string

// The classes.
const (
	ClassBlock     Class = "block"
	ClassPublished Class = "published" // outside to a published port
	ClassDirect    Class = "direct"    // to a container's address, past its ports
	ClassHostNet   Class = "host_network"
	ClassDockerAPI Class = "docker_api"
	// ClassNoTLS: docker_api allows it, but the port is not proven to ask for a
	// client's certificate.
	ClassNoTLS     Class = "docker_api_no_tls"
	ClassSwarm     Class = "swarm" // from another node of the Swarm, or said to be
	ClassBetween   Class = "between"
	ClassEgress    Class = "egress"
	ClassHost      Class = "host"     // container to the host's own services
	ClassService   Class = "service"  // outside to the host's own services
	ClassTransit   Class = "transit"  // outside to outside
	ClassLocal     Class = "local"    // the host's own traffic
	ClassLoopback  Class = "loopback" // from elsewhere to 127.0.0.0/8 or ::1
	ClassSpoofed   Class = "spoofed"  // from an address that cannot be there
	ClassError     Class = "error"    // an ICMP error about an open connection
	ClassUncovered Class = "not_covered"
)
