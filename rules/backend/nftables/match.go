package nftables

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/nft"
)

// way is one of the ways in which a rule can hold: its statements must all hold. Most
// matches have one. A lookup has one for each length of prefix.
type way struct {
	family int // 4 or 6, or 0 if it is both
	// class says which protocols the way is of, where a rule tells those that have ports
	// from the others, and tests is how.
	class class
	tests nft.Statements
	ss    nft.Statements
}

// class is a part of the protocols: one that has ports, or one of these.
type class int

const (
	anyProtocol class = 0
	noPorts     class = -1
	withPorts   class = -2
)

// and is both; false if no packet is in both ways.
func (a way) and(b way) (way, bool) {
	class, ok := a.class.and(b.class)
	if a.family != 0 && b.family != 0 && a.family != b.family || !ok {
		return way{}, false
	}
	out := way{family: max(a.family, b.family), class: class, ss: a.ss[:len(a.ss):len(a.ss)]}
	if class != a.class {
		out.ss = append(out.ss, b.tests...)
	}
	out.ss = append(out.ss, b.ss...)
	return out, true
}

func (a class) and(b class) (class, bool) {
	switch {
	case a == b, b == anyProtocol, a > 0 && b == withPorts:
		return a, true
	case a == anyProtocol, b > 0 && a == withPorts:
		return b, true
	}
	return 0, false
}

// ways are those in which a match holds; none if it never does. With apart, no packet has
// two of them.
func (w *writer) ways(m rules.Match, proto rules.Protocol, apart bool) ([]way, error) {
	switch m := m.(type) {
	case rules.InInterface:
		return iface(nft.MetaIIFName, m.Name, m.Prefix, m.Not), nil
	case rules.OutInterface:
		return iface(nft.MetaOIFName, m.Name, m.Prefix, m.Not), nil
	case rules.Source:
		return prefix(m.Prefix, rules.Src, m.Not), nil
	case rules.Destination:
		return prefix(m.Prefix, rules.Dst, m.Not), nil
	case rules.Proto:
		switch m.Proto {
		case netinfo.ICMP:
			return []way{{family: 4, ss: nft.Statements{protocol(m.Proto, false)}}}, nil
		case netinfo.ICMPv6:
			return []way{{family: 6, ss: nft.Statements{protocol(m.Proto, false)}}}, nil
		}
		return always(protocol(m.Proto, false)), nil
	case rules.DestPort:
		return always(ports(nft.Field{From: nft.TransportHeader, Offset: destPort, Len: 2}, m.Lo, m.Hi)), nil
	case rules.Conn:
		return conns(m), nil
	case rules.InSet:
		return w.lookups(m, proto, apart)
	case rules.Limit:
		return always(nft.Limit{Rate: uint32(m.Rate), Burst: uint32(m.Burst)}), nil
	case rules.Syn:
		return always(nft.Test{Field: tcpFlags, Mask: []byte{synMask}, Data: []byte{synFlag}, Not: m.Not}), nil
	case rules.ICMPType:
		return always(nft.Test{Field: icmpType, Data: []byte{m.Type}, Not: m.Not}), nil
	case rules.SourceMAC:
		mac, err := hex.DecodeString(strings.ReplaceAll(m.MAC, ":", ""))
		if err != nil {
			return nil, fmt.Errorf("%q is no Ethernet address: %w", m.MAC, err)
		}
		return always(nft.Test{Field: nft.Field{Key: nft.MetaIIFType}, Data: etherType}, nft.Test{Field: etherSource, Data: mac, Not: m.Not}), nil
	}
	return nil, fmt.Errorf("%T%+v cannot be written for nftables", m, m)
}

func always(ss ...nft.Statement) []way { return []way{{ss: ss}} }

// The fields that rules look at.
var (
	nfProto     = nft.Field{Key: nft.MetaNFProto}
	l4Proto     = nft.Field{Key: nft.MetaL4Proto}
	tcpFlags    = nft.Field{From: nft.TransportHeader, Offset: 13, Len: 1}
	icmpType    = nft.Field{From: nft.TransportHeader, Offset: 0, Len: 1}
	dport       = nft.Field{From: nft.TransportHeader, Offset: destPort, Len: 2}
	etherSource = nft.Field{From: nft.LinkHeader, Offset: 6, Len: 6}
	ctState     = nft.Field{From: nft.Conntrack, Key: nft.CtState}
	ctStatus    = nft.Field{From: nft.Conntrack, Key: nft.CtStatus}
	ctDirection = nft.Field{From: nft.Conntrack, Key: nft.CtDirection}
	ctPort      = nft.Field{From: nft.Conntrack, Key: nft.CtProtoDst, Original: true}

	// etherType is ARPHRD_ETHER, in the byte order of registers.
	etherType = binary.NativeEndian.AppendUint16(nil, nft.Ethernet)
)

// TCP's flags FIN, SYN, RST and ACK, and SYN.
const (
	synMask = 0x17
	synFlag = 0x02
)

func protocol(p rules.Protocol, not bool) nft.Test {
	return nft.Test{Field: l4Proto, Data: []byte{byte(p)}, Not: not}
}

func iface(key uint32, name string, prefix, not bool) []way {
	if prefix && name == "" {
		if not {
			return nil
		}
		return always()
	}
	t := nft.Test{Field: nft.Field{Key: key}, Data: padded(name), Not: not}
	if prefix {
		t.Data = []byte(name)
	}
	return always(t)
}

func ports(f nft.Field, lo, hi uint16) nft.Test {
	if lo == hi {
		return nft.Test{Field: f, Data: binary.BigEndian.AppendUint16(nil, lo)}
	}
	return nft.Test{Field: f, Data: binary.BigEndian.AppendUint16(nil, lo), To: binary.BigEndian.AppendUint16(nil, hi)}
}

// address is the source or the destination in a header of the family.
func address(family int, side rules.Dim) nft.Field {
	f := nft.Field{From: nft.NetworkHeader, Offset: source4, Len: 4}
	if family == 6 {
		f.Offset, f.Len = source6, 16
	}
	if side == rules.Dst {
		f.Offset += f.Len
	}
	return f
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

func prefix(p netip.Prefix, side rules.Dim, not bool) []way {
	family := familyOf(p.Addr())
	if p.Bits() == 0 {
		if not {
			return nil
		}
		return []way{{family: family}}
	}
	f := address(family, side)
	return []way{{family: family, ss: nft.Statements{nft.Test{Field: f, Mask: mask(p.Bits(), int(f.Len)), Data: p.Masked().Addr().AsSlice(), Not: not}}}}
}

// mask is that of a prefix of this length; nil if it is all of the address.
func mask(bits, size int) []byte {
	if bits == 8*size {
		return nil
	}
	m := make([]byte, size)
	for i := range bits {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

// The states of packets that connection tracking knows nothing of, and of all others.
const (
	untold = nft.StateInvalid | nft.StateUntracked
	told   = nft.StateNew | nft.StateRelated | nft.StateEstablished
)

// conns follows the kernel's xt_conntrack: a packet without a connection is told by its
// state alone. nf_tables' tests of the status, the direction and the ports fail for it.
func conns(m rules.Conn) []way {
	var in uint32
	dnat := false
	for _, s := range m.States {
		in |= states[s]
		dnat = dnat || s == rules.StateDNAT
	}
	var rest nft.Statements
	if m.Original {
		rest = append(rest, nft.Test{Field: ctDirection, Data: []byte{0}})
	}
	if m.OrigDestLo != 0 || m.OrigDestHi != 0 {
		rest = append(rest, ports(ctPort, m.OrigDestLo, m.OrigDestHi))
	}
	some := func(in uint32, ss ...nft.Statement) way {
		t := nft.Test{Field: ctState, Mask: word(in), Not: true, Data: word(0)}
		return way{ss: append(nft.Statements{t}, ss...)}
	}
	changed := nft.Test{Field: ctStatus, Mask: word(nft.StatusDNAT), Not: true, Data: word(0)}
	switch {
	case len(m.States) == 0:
		return []way{{ss: rest}}
	case !dnat && len(rest) == 0:
		return always(nft.Test{Field: ctState, Mask: word(in), Not: !m.NotStates, Data: word(0)})
	}
	var out []way
	if m.NotStates {
		if alone := untold &^ in; alone != 0 {
			out = append(out, some(alone))
		}
		if with := told &^ in; with != 0 {
			if dnat {
				changed.Not = false
				out = append(out, some(with, append(nft.Statements{changed}, rest...)...))
			} else {
				out = append(out, some(with, rest...))
			}
		}
		return out
	}
	if len(rest) == 0 {
		if in != 0 {
			out = append(out, some(in))
		}
	} else {
		if alone := untold & in; alone != 0 {
			out = append(out, some(alone))
		}
		if with := told & in; with != 0 {
			out = append(out, some(with, rest...))
		}
	}
	switch others := uint32(told &^ in); {
	case !dnat || others == 0:
	case others == told:
		out = append(out, way{ss: append(nft.Statements{changed}, rest...)})
	default:
		out = append(out, some(others, append(nft.Statements{changed}, rest...)...))
	}
	return out
}

// lookups are one for each length of prefix if a packet is to be in the set. If it is not
// to be in it, all lengths of its family are looked up one after the other.
func (w *writer) lookups(m rules.InSet, proto rules.Protocol, apart bool) ([]way, error) {
	s := w.sets[m.Set]
	if s == nil {
		return nil, fmt.Errorf("there is no set %s", m.Set)
	}
	if m.Not {
		return s.outside(m, proto, apart), nil
	}
	var out []way
	for _, family := range families {
		var before nft.Statements
		for _, bits := range s.lengths(family) {
			l := s.lookup(family, bits, m.Dims, false)
			out = append(out, way{family: family, class: s.class(), ss: append(before[:len(before):len(before)], l)})
			if apart {
				before = append(before, s.lookup(family, bits, m.Dims, true))
			}
		}
	}
	return out, nil
}

// class is that of the packets that can be in the set.
func (s *kernelSet) class() class {
	if s.typ == rules.HashNetPort {
		return withPorts
	}
	return anyProtocol
}

// outside are the ways not to be in the set.
func (s *kernelSet) outside(m rules.InSet, proto rules.Protocol, apart bool) []way {
	if len(s.lengths(4))+len(s.lengths(6)) == 0 {
		return always()
	}
	var out []way
	for _, family := range families {
		var all nft.Statements
		for _, bits := range s.lengths(family) {
			all = append(all, s.lookup(family, bits, m.Dims, true))
		}
		if s.typ != rules.HashNetPort || len(all) == 0 || hasPorts(proto) {
			out = append(out, way{family: family, ss: all})
			continue
		}
		// The lookup fails for a packet that has no port, which is not in the set either.
		var none nft.Statements
		for _, p := range portProtocols {
			none = append(none, protocol(p, true))
		}
		out = append(out, way{family: family, class: noPorts, tests: none})
		if !apart {
			out = append(out, way{family: family, class: withPorts, ss: all})
			continue
		}
		for _, p := range portProtocols {
			out = append(out, way{family: family, class: class(p), tests: nft.Statements{protocol(p, false)}, ss: all})
		}
	}
	return out
}

var (
	families      = [...]int{4, 6}
	portProtocols = [...]rules.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP}
)

func hasPorts(p rules.Protocol) bool {
	return p == netinfo.TCP || p == netinfo.UDP || p == netinfo.SCTP
}

func (s *kernelSet) lookup(family, bits int, dims []rules.Dim, not bool) nft.Lookup {
	f := address(family, dims[0])
	l := nft.Lookup{Keys: []nft.Key{{Field: f, Mask: mask(bits, int(f.Len))}}, Set: s.name(family, bits), Not: not}
	if len(dims) > 1 {
		l.Keys = append(l.Keys, nft.Key{Field: l4Proto}, nft.Key{Field: dport})
	}
	return l
}
