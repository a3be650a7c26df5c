package trace

import (
	"fmt"
	"net/netip"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// cond is a match with the set it looks into.
type cond struct {
	match rules.Match
	set   *index
}

// hold matches the packet against one match. The fields are those that an
// Unknown outcome hangs on.
func (c cond) hold(p *Packet) (Outcome, Field) {
	switch m := c.match.(type) {
	case rules.InInterface:
		return p.iface(p.In, FieldIn, m.Name, m.Prefix, m.Not)
	case rules.OutInterface:
		return p.iface(p.Out, FieldOut, m.Name, m.Prefix, m.Not)
	case rules.Source:
		return p.prefix(p.Src, FieldSrc, m.Prefix, m.Not)
	case rules.Destination:
		return p.prefix(p.Dst, FieldDst, m.Prefix, m.Not)
	case rules.Proto:
		if !m.InFamily(p.family()) {
			return Miss, 0
		}
		return p.known(m.Proto == netinfo.AnyProtocol || p.Proto == m.Proto, FieldProto)
	case rules.DestPort:
		return p.destPort(m)
	case rules.Conn:
		return p.conn(m)
	case rules.InSet:
		return c.inSet(p, m)
	case rules.Limit:
		return Unknown, FieldLimit
	case rules.Syn:
		return p.syn(m)
	case rules.ICMPType:
		return p.icmpType(m)
	case rules.SourceMAC:
		o, f := p.known(p.SrcMAC != "" && strings.EqualFold(p.SrcMAC, m.MAC), FieldSrcMAC)
		return o.not(m.Not), f
	case rules.InBridgePort:
		o, f := p.known(p.InPort != "" && p.InPort == m.Name, FieldInPort)
		return o.not(m.Not), f
	case rules.Confirmed:
		return p.confirmed()
	case rules.Stamped:
		return p.known(p.Stamped, FieldStamped)
	case rules.OutBridge:
		return p.known(p.OutBridge, FieldOut)
	}
	panic(fmt.Sprintf("trace does not know the match %T", c.match))
}

// known is hit or miss unless one of the fields it hangs on is unknown.
func (p *Packet) known(hit bool, f Field) (Outcome, Field) {
	if f &= p.Unknown; f != 0 {
		return Unknown, f
	}
	return outcome(hit), 0
}

func (p *Packet) iface(have string, f Field, name string, prefix, not bool) (Outcome, Field) {
	if prefix && name == "" {
		return outcome(!not), 0
	}
	o, f := p.known(have == name || prefix && strings.HasPrefix(have, name), f)
	return o.not(not), f
}

// prefix misses for the other family whether negated or not: such a rule is
// not rendered there at all.
func (p *Packet) prefix(have netip.Addr, f Field, want netip.Prefix, not bool) (Outcome, Field) {
	switch {
	case want.Addr().Is4() != p.is4():
		return Miss, 0
	case want.Bits() == 0:
		return outcome(!not), 0
	}
	o, f := p.known(want.Contains(have), f)
	return o.not(not), f
}

func (p *Packet) destPort(m rules.DestPort) (Outcome, Field) {
	if p.Unknown&FieldProto == 0 && !p.hasPorts() {
		return Miss, 0
	}
	return p.known(m.Lo <= p.DstPort && p.DstPort <= m.Hi, FieldProto|FieldDstPort)
}

func (p *Packet) syn(m rules.Syn) (Outcome, Field) {
	if p.Unknown&FieldProto == 0 && p.Proto != netinfo.TCP {
		return Miss, 0
	}
	o, f := p.known(p.Syn, FieldProto|FieldSyn)
	return o.not(m.Not), f
}

func (p *Packet) icmpType(m rules.ICMPType) (Outcome, Field) {
	if p.Unknown&FieldProto == 0 && p.Proto != netinfo.ICMP && p.Proto != netinfo.ICMPv6 {
		return Miss, 0
	}
	o, f := p.known(p.ICMPType == m.Type, FieldProto|FieldICMPType)
	return o.not(m.Not), f
}

// confirmed depends on the connection's entry. A packet without one (INVALID,
// UNTRACKED) has no status.
func (p *Packet) confirmed() (Outcome, Field) {
	none := p.Conn.State == rules.StateInvalid || p.Conn.State == rules.StateUntracked
	return p.known(!none && (p.Conn.Confirmed || p.Conn.State == rules.StateEstablished), FieldState)
}

// conn follows the kernel's xt_conntrack: a packet without a connection
// (INVALID, UNTRACKED) is told by its state alone, and misses where no state
// is asked for.
func (p *Packet) conn(m rules.Conn) (Outcome, Field) {
	all, unknown := Hit, Field(0)
	and := func(o Outcome, f Field) {
		switch {
		case o == Miss || all == Miss:
			all, unknown = Miss, 0
		case o == Unknown:
			all, unknown = Unknown, unknown|f
		}
	}
	if len(m.States) > 0 {
		and(p.states(m))
	}
	if p.Unknown&FieldState == 0 && (p.Conn.State == rules.StateInvalid || p.Conn.State == rules.StateUntracked) {
		if len(m.States) == 0 {
			return Miss, 0
		}
		return all, unknown
	}
	// What the connection is cannot be told from a packet that may have none.
	rest := p.Unknown & FieldState
	if m.Original {
		and(p.known(p.Conn.Original, FieldOriginal|rest))
	}
	if m.OrigDestLo != 0 || m.OrigDestHi != 0 {
		and(p.origDest(m, rest))
	}
	return all, unknown
}

func (p *Packet) origDest(m rules.Conn, rest Field) (Outcome, Field) {
	if p.Unknown&FieldProto == 0 && !p.hasPorts() {
		return Miss, 0
	}
	port := p.Conn.OrigDstPort
	return p.known(m.OrigDestLo <= port && port <= m.OrigDestHi, FieldProto|FieldOrigDstPort|rest)
}

func (p *Packet) states(m rules.Conn) (Outcome, Field) {
	hit, f := Miss, Field(0)
	for _, s := range m.States {
		o, g := p.state(s)
		if o == Hit {
			return Hit.not(m.NotStates), 0
		}
		if o == Unknown {
			hit, f = Unknown, f|g
		}
	}
	return hit.not(m.NotStates), f
}

func (p *Packet) state(s rules.ConnState) (Outcome, Field) {
	if s != rules.StateDNAT {
		return p.known(p.Conn.State == s, FieldState)
	}
	if p.Unknown&FieldState == 0 && (p.Conn.State == rules.StateInvalid || p.Conn.State == rules.StateUntracked) {
		return Miss, 0
	}
	return p.known(p.Conn.DNAT, FieldDNAT|p.Unknown&FieldState)
}

func (c cond) inSet(p *Packet, m rules.InSet) (Outcome, Field) {
	addr, need := p.side(m.Dims[0])
	if c.set.typ == rules.HashNet {
		o, f := p.known(need&p.Unknown == 0 && c.set.holds(addr), need)
		return o.not(m.Not), f
	}
	port := p.DstPort
	need |= FieldProto
	switch portField := p.portField(m.Dims[1]); {
	case p.Unknown&FieldProto != 0 || p.hasPorts():
		need |= portField
	case (p.Proto == netinfo.ICMP || p.Proto == netinfo.ICMPv6) && c.set.protos[p.Proto]:
		// The kernel looks up ICMP's type and code here, which a Packet lacks.
		return Unknown, portField
	}
	if m.Dims[1] == rules.Src {
		port = p.SrcPort
	}
	if !p.hasPorts() {
		port = 0
	}
	o, f := p.known(need&p.Unknown == 0 && c.set.holdsPort(addr, p.Proto, port), need)
	return o.not(m.Not), f
}

func (p *Packet) side(d rules.Dim) (netip.Addr, Field) {
	if d == rules.Src {
		return p.Src, FieldSrc
	}
	return p.Dst, FieldDst
}

func (p *Packet) portField(d rules.Dim) Field {
	if d == rules.Src {
		return FieldSrcPort
	}
	return FieldDstPort
}
