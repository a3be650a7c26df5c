package trace

import (
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// PacketWay is one way that the kernel may show an attempt to dockwall.
type PacketWay struct {
	// Base is where: BaseDockerUser for what is forwarded, BaseInput for what
	// is received. What is forwarded also meets the guard of BaseForward.
	Base   rules.Base `json:"base"`
	Packet Packet     `json:"packet"`
	// Question is the attempt with this way's DNAT filled in.
	Question policy.Question `json:"question"`
}

// Packets returns the first packet of the attempt in every way that it may
// come (policy.Ways): none where the host's rules never see it, and none for
// what the host itself sends, which is OUTPUT's.
func Packets(s netinfo.Snapshot, q policy.Question) []PacketWay {
	sent := q.NIC == "lo" && policy.Locate(s, q.Dest).Kind != policy.OnHost
	if q.NIC == "" || sent || !policy.Covered(s, q) {
		return nil
	}
	var ways []PacketWay
	for _, w := range policy.Ways(s, q) {
		ways = append(ways, packet(s, w))
	}
	return ways
}

func packet(s netinfo.Snapshot, q policy.Question) PacketWay {
	p := Packet{In: q.NIC, Src: q.Source, Dst: q.Dest, Proto: q.Proto, DstPort: q.Port, Unknown: FieldSrcPort,
		Syn: q.Proto == netinfo.TCP, ICMPType: q.MessageType(),
		Conn: Conn{State: rules.StateNew, Original: true, OrigDst: q.Dest, OrigDstPort: q.Port}}
	p.track(q)
	if q.DNAT.IsValid() {
		p.Dst, p.DstPort, p.Conn.DNAT = q.DNAT.Addr(), q.DNAT.Port(), true
	}
	p.link(s)
	way := PacketWay{Base: rules.BaseDockerUser, Packet: p, Question: q}
	switch to := q.To(s); to.Kind {
	case policy.OnHost:
		way.Base = rules.BaseInput
	case policy.OnBridge:
		way.Packet.Out = to.Bridge
	default:
		if way.Packet.Out = q.Out; q.Out == "" {
			way.Packet.Unknown |= FieldOut
		}
	}
	for _, l := range s.Links {
		way.Packet.OutBridge = way.Packet.OutBridge || l.Name == way.Packet.Out && l.Kind == "bridge"
	}
	return way
}

// track fills in the connection's state: what connection tracking makes of the
// ICMP messages that begin no connection.
func (p *Packet) track(q policy.Question) {
	switch {
	case untracked(q):
		p.Conn.State, p.Conn.Original = rules.StateUntracked, false
	case q.Expected:
		// An ICMP error belongs to the connection that it is about.
		p.Conn.State, p.Conn.Confirmed = rules.StateRelated, q.Proto == netinfo.ICMP || q.Proto == netinfo.ICMPv6
	case q.Proto == netinfo.ICMP && q.ICMPType == rules.TypeRedirect4, q.Proto == netinfo.ICMPv6 && q.ICMPType == rules.TypeRedirect6:
		p.Conn.State, p.Conn.Original = rules.StateInvalid, false
	}
}

// untracked reports whether connection tracking leaves such messages alone:
// neighbour discovery, and what multicast listeners and routers say of themselves.
func untracked(q policy.Question) bool {
	const from, to, listenerReport2 = 130, 136, 143
	return q.Proto == netinfo.ICMPv6 && (from <= q.ICMPType && q.ICMPType <= to || q.ICMPType == listenerReport2)
}

// link fills in what the link layer shows: a container's MAC where the engine
// told it; a bridge's port never, because no fact ties a veth to a container.
func (p *Packet) link(s netinfo.Snapshot) {
	p.Unknown |= FieldSrcMAC
	for _, l := range s.Links {
		if l.Name == p.In && l.Kind == "bridge" {
			p.Unknown |= FieldInPort
		}
	}
	from := policy.Locate(s, p.Src)
	if from.Kind != policy.OnBridge || from.Bridge != p.In || from.Container == nil {
		return
	}
	for _, e := range from.Container.Endpoints {
		for _, a := range e.Addrs {
			if a == p.Src && e.MAC != "" {
				p.SrcMAC = e.MAC
				p.Unknown &^= FieldSrcMAC
			}
		}
	}
}
