package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"

	"dockwall/netinfo"
)

// String is the rule as nft prints it, without its comment. A test that the next statement
// implies is not printed: `ip saddr` says the family, and `tcp dport` the protocol.
func (r Rule) String() string { return r.text(true) }

// Loadable is the rule as nft reads it, without its comment, and with counters at zero.
func (r Rule) Loadable() string {
	return strings.ReplaceAll(r.text(false), "counter packets 0 bytes 0", "counter")
}

func (r Rule) text(short bool) string {
	var p printer
	for i, s := range r.Statements {
		if t, ok := s.(Test); ok && !t.Not {
			p.learn(t)
			if short && i+1 < len(r.Statements) && p.implied(t, r.Statements[i+1]) {
				continue
			}
		}
		p.words = append(p.words, p.text(s))
	}
	return strings.Join(p.words, " ")
}

// printer prints the statements of one rule. What was tested before decides how a field is
// called.
type printer struct {
	words []string
	proto netinfo.Protocol
}

// The values of MetaNFProto, and of MetaIIFType for Ethernet.
const (
	ProtoIPv4 = 2
	ProtoIPv6 = 10
	Ethernet  = 1
)

// The bits of CtState and CtStatus that rules ask for.
const (
	StateInvalid     = 1 << 0
	StateEstablished = 1 << 1
	StateRelated     = 1 << 2
	StateNew         = 1 << 3
	StateUntracked   = 1 << 6

	StatusConfirmed = 1 << 3
	StatusDNAT      = 1 << 5
)

func (p *printer) learn(t Test) {
	if t.Field == (Field{Key: MetaL4Proto}) && len(t.Data) == 1 {
		p.proto = netinfo.Protocol(t.Data[0])
	}
}

// implied reports whether nft, when it reads the next statement, adds the test by itself.
func (p *printer) implied(t Test, next Statement) bool {
	if t.Mask != nil || t.To != nil || len(t.Data) == 0 {
		return false
	}
	f, ok := firstField(next)
	if !ok {
		return false
	}
	switch t.Field {
	case Field{Key: MetaNFProto}:
		return f.From == NetworkHeader && (t.Data[0] == ProtoIPv6) == f.isIPv6()
	case Field{Key: MetaIIFType}:
		return f.From == LinkHeader
	case Field{Key: MetaL4Proto}:
		_, lookup := next.(Lookup)
		return f.From == TransportHeader && !lookup && p.proto != 0 && p.named(f) != ""
	}
	return false
}

// firstField is the first field that a statement loads from a header.
func firstField(s Statement) (Field, bool) {
	var keys []Key
	switch s := s.(type) {
	case Test:
		return s.Field, true
	case Lookup:
		keys = s.Keys
	case Dispatch:
		keys = s.Keys
	}
	if len(keys) == 0 {
		return Field{}, false
	}
	return keys[0].Field, true
}

func (f Field) isIPv6() bool { return f.Len == 16 }

func (p *printer) text(s Statement) string {
	switch s := s.(type) {
	case Test:
		return p.test(s)
	case Lookup:
		if s.Not {
			return p.keys(s.Keys) + " != @" + s.Set
		}
		return p.keys(s.Keys) + " @" + s.Set
	case Dispatch:
		return p.keys(s.Keys) + " vmap @" + s.Map
	case Count:
		return "counter packets 0 bytes 0"
	case Limit:
		return fmt.Sprintf("limit rate %d/second burst %d packets", s.Rate, s.Burst)
	case Log:
		if s.Prefix == "" {
			return fmt.Sprintf("log group %d", s.Group)
		}
		return fmt.Sprintf("log prefix %s group %d", quote(s.Prefix), s.Group)
	case SetPriority:
		if s.Priority == 0 {
			return "meta priority set none"
		}
		return "meta priority set " + class(s.Priority)
	case Reject:
		if s.Reset {
			return "reject with tcp reset"
		}
		return "reject"
	case Verdict:
		return s.String()
	}
	return fmt.Sprintf("[%T]", s)
}

// String is the verdict as nft prints it.
func (v Verdict) String() string {
	if v.Chain == "" {
		return string(v.Kind)
	}
	return string(v.Kind) + " " + v.Chain
}

// quote is a text as nft prints it. nft knows no way to write a quotation mark in it.
func quote(text string) string {
	return `"` + strings.Map(func(r rune) rune {
		if r == '"' || r == '\n' {
			return '\''
		}
		return r
	}, text) + `"`
}

func (p *printer) keys(ks []Key) string {
	var words []string
	for _, k := range ks {
		text := p.name(k.Field)
		if k.Mask != nil {
			text += " & " + address(k.Mask)
		}
		words = append(words, text)
	}
	return strings.Join(words, " . ")
}

// name is nft's word for the field.
func (p *printer) name(f Field) string {
	if named := p.named(f); named != "" {
		return named
	}
	return fmt.Sprintf("[%+v]", f)
}

func (p *printer) named(f Field) string {
	switch f.From {
	case Meta:
		return map[uint32]string{MetaPriority: "meta priority", MetaIIFName: "iifname", MetaOIFName: "oifname", MetaIIFType: "iiftype",
			MetaNFProto: "meta nfproto", MetaL4Proto: "meta l4proto", MetaOIFKind: "meta oifkind"}[f.Key]
	case Conntrack:
		switch f.Key {
		case CtState:
			return "ct state"
		case CtDirection:
			return "ct direction"
		case CtStatus:
			return "ct status"
		case CtProtoDst:
			if f.Original {
				return "ct original proto-dst"
			}
			return "ct reply proto-dst"
		}
	case LinkHeader:
		if f.Offset == 6 && f.Len == 6 {
			return "ether saddr"
		}
	case NetworkHeader:
		return map[[2]uint32]string{{12, 4}: "ip saddr", {16, 4}: "ip daddr", {8, 16}: "ip6 saddr", {24, 16}: "ip6 daddr"}[[2]uint32{f.Offset, f.Len}]
	case TransportHeader:
		return p.transport(f)
	}
	return ""
}

func (p *printer) transport(f Field) string {
	switch {
	case f.Offset == 2 && f.Len == 2:
		switch p.proto {
		case netinfo.TCP, netinfo.UDP, netinfo.SCTP:
			return p.proto.String() + " dport"
		}
		return "th dport"
	case f.Offset == 13 && f.Len == 1 && p.proto == netinfo.TCP:
		return "tcp flags"
	case f.Offset == 0 && f.Len == 1 && p.proto == netinfo.ICMP:
		return "icmp type"
	case f.Offset == 0 && f.Len == 1 && p.proto == netinfo.ICMPv6:
		return "icmpv6 type"
	}
	return ""
}

func (p *printer) test(t Test) string {
	name := p.name(t.Field)
	op := " "
	if t.Not {
		op = " != "
	}
	switch {
	case t.Field == Field{From: Conntrack, Key: CtState} && t.Mask != nil:
		// The test is of the bits: none of them, or some.
		if !t.Not {
			return name + " ! " + bits(t.Mask, states)
		}
		return name + " " + bits(t.Mask, states)
	case t.Field == Field{From: Conntrack, Key: CtStatus} && t.Mask != nil:
		if !t.Not {
			return name + " ! " + bits(t.Mask, statuses)
		}
		return name + " " + bits(t.Mask, statuses)
	case t.Field.From == TransportHeader && t.Field.Offset == 13 && t.Mask != nil:
		if !t.Not {
			op = " == "
		}
		return name + " & (" + flags(t.Mask, "|") + ")" + op + flags(t.Data, "|")
	case t.Field.From == NetworkHeader && t.Mask != nil:
		return name + op + masked(t.Data, t.Mask)
	case t.To != nil:
		if bytes.Equal(t.Data, t.To) {
			return name + op + p.value(t.Field, t.Data)
		}
		return name + op + p.value(t.Field, t.Data) + "-" + p.value(t.Field, t.To)
	}
	return name + op + p.value(t.Field, t.Data)
}

// value is the bytes of a field as nft prints them.
func (p *printer) value(f Field, data []byte) string {
	switch f.From {
	case Meta:
		switch f.Key {
		case MetaIIFName, MetaOIFName, MetaOIFKind:
			if len(data) < nameSize {
				return fmt.Sprintf("%q", string(data)+"*")
			}
			return fmt.Sprintf("%q", strings.TrimRight(string(data), "\x00"))
		case MetaIIFType:
			return "ether"
		case MetaNFProto:
			if data[0] == ProtoIPv6 {
				return "ipv6"
			}
			return "ipv4"
		case MetaL4Proto:
			return protocol(netinfo.Protocol(data[0]))
		case MetaPriority:
			return class(binary.NativeEndian.Uint32(data))
		}
	case Conntrack:
		switch f.Key {
		case CtDirection:
			return map[byte]string{0: "original", 1: "reply"}[data[0]]
		case CtProtoDst:
			return fmt.Sprint(binary.BigEndian.Uint16(data))
		}
	case LinkHeader:
		var words []string
		for _, b := range data {
			words = append(words, fmt.Sprintf("%02x", b))
		}
		return strings.Join(words, ":")
	case NetworkHeader:
		return address(data)
	case TransportHeader:
		if len(data) == 2 {
			return fmt.Sprint(binary.BigEndian.Uint16(data))
		}
		return fmt.Sprint(data[0])
	}
	return fmt.Sprintf("%x", data)
}

// protocol is nft's word for an IP protocol.
func protocol(p netinfo.Protocol) string {
	switch p {
	case netinfo.TCP, netinfo.UDP, netinfo.SCTP, netinfo.ICMP, netinfo.ESP:
		return p.String()
	case netinfo.ICMPv6:
		return "ipv6-icmp"
	}
	return fmt.Sprint(byte(p))
}

func address(b []byte) string {
	a, _ := netip.AddrFromSlice(b)
	return a.String()
}

// masked is an address under a mask: a prefix if the mask is one.
func masked(data, mask []byte) string {
	ones := 0
	for _, b := range mask {
		for b&0x80 != 0 {
			ones++
			b <<= 1
		}
	}
	if ones == 8*len(mask) {
		return address(data)
	}
	return fmt.Sprintf("%s/%d", address(data), ones)
}

type bit struct {
	bit  uint32
	word string
}

// nft prints in this order.
var (
	states = []bit{{StateInvalid, "invalid"}, {StateEstablished, "established"}, {StateRelated, "related"}, {StateNew, "new"},
		{StateUntracked, "untracked"}}
	statuses = []bit{{StatusConfirmed, "confirmed"}, {StatusDNAT, "dnat"}}
	tcpFlags = []bit{{0x01, "fin"}, {0x02, "syn"}, {0x04, "rst"}, {0x08, "psh"}, {0x10, "ack"}, {0x20, "urg"}}
)

func bits(mask []byte, all []bit) string {
	return words(binary.NativeEndian.Uint32(mask), all, ",")
}

func flags(data []byte, between string) string {
	return words(uint32(data[0]), tcpFlags, " "+between+" ")
}

func words(v uint32, all []bit, between string) string {
	var out []string
	for _, b := range all {
		if v&b.bit != 0 {
			out = append(out, b.word)
		}
	}
	return strings.Join(out, between)
}

// nameSize is IFNAMSIZ.
const nameSize = 16

func class(priority uint32) string { return fmt.Sprintf("%04x:%04x", priority>>16, priority&0xffff) }
