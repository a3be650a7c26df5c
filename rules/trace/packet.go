package trace

import (
	"fmt"
	"net/netip"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Packet is one packet as a chain of the filter table sees it, in FORWARD and
// INPUT both after DNAT.
type Packet struct {
	// In and Out are interfaces; Out is empty in INPUT.
	In  string `json:"in"`
	Out string `json:"out,omitempty"`
	// Src and Dst are of one family and have no zone.
	Src     netip.Addr     `json:"src"`
	Dst     netip.Addr     `json:"dst"`
	Proto   rules.Protocol `json:"proto"`
	SrcPort uint16         `json:"src_port,omitempty"`
	DstPort uint16         `json:"dst_port,omitempty"`
	// Syn: a TCP packet that opens a connection.
	Syn bool `json:"syn,omitempty"`
	// ICMPType is the type of an ICMP or ICMPv6 message.
	ICMPType uint8 `json:"icmp_type,omitempty"`
	// SrcMAC is the Ethernet source, colons; empty if the packet has none.
	SrcMAC string `json:"src_mac,omitempty"`
	// InPort is the bridge port of a bridged packet; empty if not bridged.
	InPort string `json:"in_port,omitempty"`
	// OutBridge: Out is a bridge.
	OutBridge bool `json:"out_bridge,omitempty"`
	// Stamped: a rule on the way gave the packet the mark of rules.Stamp.
	Stamped bool `json:"stamped,omitempty"`
	Conn    Conn `json:"conn"`
	// Unknown are the fields above that the caller does not know.
	Unknown Field `json:"unknown,omitempty"`
}

// Conn is what connection tracking knows of a packet.
type Conn struct {
	// State is NEW, RELATED, ESTABLISHED, INVALID or UNTRACKED.
	State rules.ConnState `json:"state"`
	// Confirmed: a packet of the connection has left the host or reached a socket
	// before. Each established one's has.
	Confirmed bool `json:"confirmed,omitempty"`
	// DNAT: the connection's destination was changed.
	DNAT bool `json:"dnat,omitempty"`
	// Original: the packet goes in the direction of the connection's first one.
	Original bool `json:"original,omitempty"`
	// OrigDst and OrigDstPort are the destination that the first packet had
	// before DNAT.
	OrigDst     netip.Addr `json:"orig_dst,omitzero"`
	OrigDstPort uint16     `json:"orig_dst_port,omitempty"`
}

// Field is a set of packet fields.
type Field uint32

// The fields that can be unknown. FieldLimit is what a Limit depends on; it is
// always unknown.
const (
	FieldIn Field = 1 << iota
	FieldOut
	FieldSrc
	FieldDst
	FieldProto
	FieldSrcPort
	FieldDstPort
	FieldSyn
	FieldICMPType
	FieldSrcMAC
	FieldInPort
	FieldState
	FieldDNAT
	FieldOriginal
	FieldOrigDstPort
	FieldLimit
	FieldStamped
)

func fieldNames() []string {
	return []string{"in", "out", "src", "dst", "proto", "src_port", "dst_port", "syn", "icmp_type", "src_mac", "in_port",
		"conn.state", "conn.dnat", "conn.original", "conn.orig_dst_port", "limit", "stamped"}
}

// String names the fields, with commas between them.
func (f Field) String() string {
	var names []string
	for i, n := range fieldNames() {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	return strings.Join(names, ",")
}

// MarshalText is String.
func (f Field) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText reads what MarshalText writes, and refuses other names.
func (f *Field) UnmarshalText(b []byte) error {
	*f = 0
	if len(b) == 0 {
		return nil
	}
next:
	for name := range strings.SplitSeq(string(b), ",") {
		for i, n := range fieldNames() {
			if n == name {
				*f |= 1 << i
				continue next
			}
		}
		return fmt.Errorf("unknown packet field %q", name)
	}
	return nil
}

// check says what makes the packet impossible, or nothing.
func (p *Packet) check() string {
	src, dst := p.Unknown&FieldSrc == 0, p.Unknown&FieldDst == 0
	switch {
	case src && !p.Src.IsValid() || dst && !p.Dst.IsValid() || !p.Src.IsValid() && !p.Dst.IsValid():
		return "the packet has no addresses"
	case src && dst && p.Src.Is4() != p.Dst.Is4():
		return fmt.Sprintf("the packet's addresses are of two families: %s, %s", p.Src, p.Dst)
	}
	return ""
}

// is4 is the packet's family. An address that is unknown may still be given,
// to say the family.
func (p *Packet) is4() bool {
	if p.Src.IsValid() {
		return p.Src.Is4()
	}
	return p.Dst.Is4()
}

// family is 4 or 6.
func (p *Packet) family() int {
	if p.is4() {
		return 4
	}
	return 6
}

// hasPorts reports whether the packet's protocol has ports.
func (p *Packet) hasPorts() bool { return hasPorts(p.Proto) }

func hasPorts(p rules.Protocol) bool {
	return p == netinfo.TCP || p == netinfo.UDP || p == netinfo.SCTP
}
