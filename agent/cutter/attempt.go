package cutter

import (
	"net/netip"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/trace"
)

// attempt is the first packet of a flow.
type attempt struct {
	base     rules.Base
	src, dst netip.AddrPort // dst after DNAT
	proto    netinfo.Protocol
	icmpType uint8          // of ICMP and ICMPv6 only
	orig     netip.AddrPort // dst before DNAT
	dnat     bool
	// local is the host's end of an attempt to the host itself.
	local netip.AddrPort
	// reversed: the flow was tracked in the direction of the answer.
	reversed bool
	// refused are the interfaces by which the ruleset lets no such packet in. likely
	// is its verdict for the interface that leads to src, undecided where there is no
	// single one. Both are judge.attempted's.
	refused []string
	likely  verdict
	// rejudge: the kernel is to judge the next packet.
	rejudge bool
}

// attempt turns a flow the right way round. It returns false if the flow is not dockwall's
// business here.
func (p *places) attempt(f hostnet.Flow) (attempt, bool) {
	if !p.concerns(f) {
		return attempt{}, false
	}
	o, r := f.Original, f.Reply
	switch {
	case p.isHost(o.Src):
		return p.answerOfHost(f)
	case p.isHost(r.Src):
		return attempt{base: rules.BaseInput, proto: f.Proto, icmpType: o.ICMPType, dnat: f.DestNATed(), src: addrPort(o.Src, o.SrcPort),
			dst: addrPort(r.Src, r.SrcPort), orig: addrPort(o.Dst, o.DstPort), local: addrPort(r.Src, r.SrcPort)}, true
	case f.TCP.Midstream && p.published(f) && p.reachable(f):
		return p.answerOfContainer(f), true
	}
	return attempt{base: rules.BaseDockerUser, proto: f.Proto, icmpType: o.ICMPType, dnat: f.DestNATed(), src: addrPort(o.Src, o.SrcPort),
		dst: addrPort(r.Src, r.SrcPort), orig: addrPort(o.Dst, o.DstPort)}, true
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// concerns reports whether the flow is alive and the ruleset judged it.
func (p *places) concerns(f hostnet.Flow) bool {
	o, r := f.Original, f.Reply
	switch {
	case !o.Src.IsValid() || !o.Dst.IsValid() || !r.Src.IsValid() || o.Src.Is4() != r.Src.Is4():
		return false
	case f.Zone != 0:
		return false
	case o.Src.IsLoopback() || o.Dst.IsMulticast() || o.Dst == broadcast:
		return false
	}
	return !ended(f)
}

// ended reports whether the TCP connection is over, or was frozen before. One that
// conntrack has closed is not: a RST with a low TTL closes the entry, and the
// server, which it does not reach, goes on.
func ended(f hostnet.Flow) bool {
	if f.Proto != netinfo.TCP {
		return false
	}
	return f.TCP.State == hostnet.TCPTimeWait || f.TCP.State == hostnet.TCPSynSent && f.Assured()
}

// answerOfHost is a flow of the host's own, unless it comes from a published
// port: then docker-proxy sent first after the entry was lost, or before there
// was one.
func (p *places) answerOfHost(f hostnet.Flow) (attempt, bool) {
	o := f.Original
	local := addrPort(o.Src, o.SrcPort)
	if p.isHost(o.Dst) || !p.serves(f.Proto, local) || f.SourceNATed() || f.Proto == netinfo.TCP && !f.TCP.Midstream {
		return attempt{}, false
	}
	return attempt{base: rules.BaseInput, proto: f.Proto, src: addrPort(o.Dst, o.DstPort), dst: local, orig: local,
		local: local, reversed: true}, true
}

// reachable reports whether the receiver of the flow's packets may take them for
// answers of a published port: they leave from it, or as they are.
func (p *places) reachable(f hostnet.Flow) bool {
	return !f.SourceNATed() || p.serves(f.Proto, addrPort(f.Reply.Dst, f.Reply.DstPort))
}

// answerOfContainer is a flow that began with the answer of a published port.
// Where it was masqueraded, its client knows the host's address and port.
func (p *places) answerOfContainer(f hostnet.Flow) attempt {
	o, r := f.Original, f.Reply
	at := attempt{base: rules.BaseDockerUser, proto: f.Proto, src: addrPort(o.Dst, o.DstPort),
		dst: addrPort(o.Src, o.SrcPort), orig: addrPort(o.Src, o.SrcPort), reversed: true}
	if f.SourceNATed() {
		at.orig, at.dnat = addrPort(r.Dst, r.DstPort), true
	}
	return at
}

// packet is the attempt's first packet, without its interfaces.
func (a attempt) packet() trace.Packet {
	return trace.Packet{Src: a.src.Addr(), Dst: a.dst.Addr(), Proto: a.proto, SrcPort: a.src.Port(), DstPort: a.dst.Port(),
		Syn: a.proto == netinfo.TCP, ICMPType: a.icmpType,
		Unknown: trace.FieldSrcMAC | trace.FieldInPort,
		Conn: trace.Conn{State: rules.StateNew, Original: true, DNAT: a.dnat,
			OrigDst: a.orig.Addr(), OrigDstPort: a.orig.Port()}}
}

func addrPort(a netip.Addr, port uint16) netip.AddrPort { return netip.AddrPortFrom(a, port) }
