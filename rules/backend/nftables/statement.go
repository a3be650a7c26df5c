package nftables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Statement is one part of a rule. The sum is closed: Test, Count, SetPriority and
// Verdict are all.
type Statement interface {
	fmt.Stringer
	statement()
}

// Test loads a field and compares it. If it fails, the kernel goes on with the next rule.
type Test struct {
	Field Field
	// Mask, if it is not nil, is applied to the field before it is compared.
	Mask []byte
	// Not: the bytes must differ from Data.
	Not bool
	// Data is what the field must be. It may be shorter than the field, which must
	// then begin with it. With To it is the lowest value of a range, and To the highest.
	Data, To []byte
	// text is how nft prints the test; empty if nft prints nothing, because the next
	// one implies it.
	text string
}

// Field is a piece of a packet, or of what the kernel knows of it.
type Field struct {
	From Source
	// Key is the metadata or conntrack key, as linux/netfilter/nf_tables.h numbers it.
	Key uint32
	// Offset and Len are bytes in the header.
	Offset, Len uint32
}

// Source is what a Field is a part of.
type Source int

// The sources.
const (
	Meta Source = iota
	Conntrack
	NetworkHeader
	TransportHeader
)

// The keys in use: NFT_META_* and NFT_CT_*.
const (
	MetaPriority = 2
	MetaIIFName  = 6
	MetaOIFName  = 7
	MetaNFProto  = 15
	MetaL4Proto  = 16
	// MetaOIFKind is the kernel's name for the kind of link that the packet leaves by
	// (Linux 5.1).
	MetaOIFKind = 27
	CtState     = 0
	CtStatus    = 2
)

// Count counts the packets that get to it.
type Count struct{}

// SetPriority sets the packet's priority.
type SetPriority struct{ Priority uint32 }

// Verdict ends the rule. Kind is Return, Drop, Jump or Goto.
type Verdict struct {
	Kind  rules.VerdictKind
	Chain string
}

func (Test) statement()        {}
func (Count) statement()       {}
func (SetPriority) statement() {}
func (Verdict) statement()     {}

func (t Test) String() string { return t.text }

func (Count) String() string { return "counter packets 0 bytes 0" }

func (s SetPriority) String() string {
	if s.Priority == 0 {
		return "meta priority set none"
	}
	return "meta priority set " + class(s.Priority)
}

func (v Verdict) String() string {
	if v.Chain == "" {
		return string(v.Kind)
	}
	return string(v.Kind) + " " + v.Chain
}

const (
	nameSize = 16 // IFNAMSIZ
	// confirmed is IPS_CONFIRMED.
	confirmed = 1 << 3
	// The first header fields of IPv4 and IPv6, and NFPROTO_IPV4 and NFPROTO_IPV6.
	source4, source6 = 12, 8
	proto4, proto6   = 2, 10
	destPort         = 2
)

// states are the bits of NFT_CT_STATE, and nft's words. nft prints in this order.
var states = [...]struct {
	state rules.ConnState
	bit   uint32
	word  string
}{
	{rules.StateInvalid, 1 << 0, "invalid"},
	{rules.StateEstablished, 1 << 1, "established"},
	{rules.StateRelated, 1 << 2, "related"},
	{rules.StateNew, 1 << 3, "new"},
	{rules.StateUntracked, 1 << 6, "untracked"},
}

// Match renders a match as the statements that hold for the same packets. The error
// names a match that has none.
func Match(m rules.Match) ([]Statement, error) {
	switch m := m.(type) {
	case rules.InInterface:
		if !m.Not {
			return link("iifname", MetaIIFName, m.Name, m.Prefix), nil
		}
	case rules.OutInterface:
		if !m.Not {
			return link("oifname", MetaOIFName, m.Name, m.Prefix), nil
		}
	case rules.OutBridge:
		return []Statement{Test{Field: Field{Key: MetaOIFKind}, Data: padded("bridge"), text: `meta oifkind "bridge"`}}, nil
	case rules.Confirmed:
		return []Statement{Test{Field: Field{From: Conntrack, Key: CtStatus}, Mask: word(confirmed), Not: true, Data: word(0), text: "ct status confirmed"}}, nil
	case rules.Stamped:
		return []Statement{Test{Field: Field{Key: MetaPriority}, Data: word(rules.StampClass), text: "meta priority " + class(rules.StampClass)}}, nil
	case rules.Conn:
		if t, ok := conn(m); ok {
			return []Statement{t}, nil
		}
	case rules.Source:
		if !m.Not {
			return source(m.Prefix), nil
		}
	case rules.Proto:
		if m.Proto == netinfo.TCP {
			return []Statement{Test{Field: Field{Key: MetaL4Proto}, Data: []byte{byte(m.Proto)}}}, nil
		}
	case rules.DestPort:
		return []Statement{Test{Field: Field{From: TransportHeader, Offset: destPort, Len: 2},
			Data: binary.BigEndian.AppendUint16(nil, m.Lo), To: binary.BigEndian.AppendUint16(nil, m.Hi), text: "tcp dport " + span(m.Lo, m.Hi)}}, nil
	}
	return nil, fmt.Errorf("%T%+v cannot be written for nftables", m, m)
}

func link(word string, key uint32, name string, prefix bool) []Statement {
	t := Test{Field: Field{Key: key}, Data: padded(name), text: fmt.Sprintf("%s %q", word, name)}
	if prefix {
		t.Data, t.text = []byte(name), fmt.Sprintf("%s %q", word, name+"*")
	}
	return []Statement{t}
}

// conn renders states alone: nf_tables keeps the direction and the destination before
// DNAT in fields of their own.
func conn(m rules.Conn) (Test, bool) {
	t := Test{Field: Field{From: Conntrack, Key: CtState}, Not: !m.NotStates, Data: word(0)}
	var mask uint32
	var words []string
	for _, s := range states {
		for _, want := range m.States {
			if want == s.state {
				mask |= s.bit
				words = append(words, s.word)
			}
		}
	}
	t.Mask, t.text = word(mask), "ct state "+strings.Join(words, ",")
	if m.NotStates {
		t.text = "ct state ! " + strings.Join(words, ",")
	}
	return t, len(words) == len(m.States) && len(words) > 0 && !m.Original && m.OrigDestLo == 0 && m.OrigDestHi == 0
}

// source renders the family too, because the chains are of both.
func source(p netip.Prefix) []Statement {
	family, offset, name := byte(proto4), uint32(source4), "ip"
	if p.Addr().Is6() {
		family, offset, name = proto6, source6, "ip6"
	}
	mask := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	text := p.Masked().String()
	if p.IsSingleIP() {
		text = p.Addr().String()
	}
	return []Statement{
		Test{Field: Field{Key: MetaNFProto}, Data: []byte{family}},
		Test{Field: Field{From: NetworkHeader, Offset: offset, Len: uint32(len(mask))}, Mask: mask, Data: p.Masked().Addr().AsSlice(), text: name + " saddr " + text},
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

func class(priority uint32) string { return fmt.Sprintf("%04x:%04x", priority>>16, priority&0xffff) }

func span(lo, hi uint16) string {
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d-%d", lo, hi)
}
