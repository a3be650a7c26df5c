package nftables

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/nft"
)

const (
	nameSize = 16 // IFNAMSIZ
	// The first header fields of IPv4 and IPv6.
	source4, source6 = 12, 8
	destPort         = 2
)

// states are the bits of NFT_CT_STATE.
var states = map[rules.ConnState]uint32{rules.StateInvalid: nft.StateInvalid, rules.StateEstablished: nft.StateEstablished,
	rules.StateRelated: nft.StateRelated, rules.StateNew: nft.StateNew, rules.StateUntracked: nft.StateUntracked}

// Match renders a match as the statements that hold for the same packets. The error
// names a match that has none.
func Match(m rules.Match) (nft.Statements, error) {
	switch m := m.(type) {
	case rules.InInterface:
		if !m.Not {
			return link(nft.MetaIIFName, m.Name, m.Prefix), nil
		}
	case rules.OutInterface:
		if !m.Not {
			return link(nft.MetaOIFName, m.Name, m.Prefix), nil
		}
	case rules.OutBridge:
		return nft.Statements{nft.Test{Field: nft.Field{Key: nft.MetaOIFKind}, Data: padded("bridge")}}, nil
	case rules.Confirmed:
		return nft.Statements{nft.Test{Field: nft.Field{From: nft.Conntrack, Key: nft.CtStatus}, Mask: word(nft.StatusConfirmed), Not: true, Data: word(0)}}, nil
	case rules.Stamped:
		return nft.Statements{nft.Test{Field: nft.Field{Key: nft.MetaPriority}, Data: word(rules.StampClass)}}, nil
	case rules.Conn:
		if t, ok := conn(m); ok {
			return nft.Statements{t}, nil
		}
	case rules.Source:
		if !m.Not {
			return source(m.Prefix), nil
		}
	case rules.Proto:
		if m.Proto == netinfo.TCP {
			return nft.Statements{nft.Test{Field: nft.Field{Key: nft.MetaL4Proto}, Data: []byte{byte(m.Proto)}}}, nil
		}
	case rules.DestPort:
		return nft.Statements{nft.Test{Field: nft.Field{From: nft.TransportHeader, Offset: destPort, Len: 2},
			Data: binary.BigEndian.AppendUint16(nil, m.Lo), To: binary.BigEndian.AppendUint16(nil, m.Hi)}}, nil
	}
	return nil, fmt.Errorf("%T%+v cannot be written for nftables", m, m)
}

func link(key uint32, name string, prefix bool) nft.Statements {
	t := nft.Test{Field: nft.Field{Key: key}, Data: padded(name)}
	if prefix {
		t.Data = []byte(name)
	}
	return nft.Statements{t}
}

// conn renders states alone: nf_tables keeps the direction and the destination before
// DNAT in fields of their own.
func conn(m rules.Conn) (nft.Test, bool) {
	var mask uint32
	for _, s := range m.States {
		if states[s] == 0 {
			return nft.Test{}, false
		}
		mask |= states[s]
	}
	t := nft.Test{Field: nft.Field{From: nft.Conntrack, Key: nft.CtState}, Mask: word(mask), Not: !m.NotStates, Data: word(0)}
	return t, mask != 0 && !m.Original && m.OrigDestLo == 0 && m.OrigDestHi == 0
}

// source renders the family too, because the chains are of both.
func source(p netip.Prefix) nft.Statements {
	family, offset := byte(nft.ProtoIPv4), uint32(source4)
	if p.Addr().Is6() {
		family, offset = nft.ProtoIPv6, source6
	}
	mask := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return nft.Statements{
		nft.Test{Field: nft.Field{Key: nft.MetaNFProto}, Data: []byte{family}},
		nft.Test{Field: nft.Field{From: nft.NetworkHeader, Offset: offset, Len: uint32(len(mask))}, Mask: mask, Data: p.Masked().Addr().AsSlice()},
	}
}

// padded is a name as the kernel holds it in a register.
func padded(name string) []byte {
	b := make([]byte, nameSize)
	copy(b, name)
	return b
}

// word is in the byte order of the kernel's registers.
func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
