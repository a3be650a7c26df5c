package denied

import (
	"net/netip"
	"time"
)

// Packet is one refused packet, with names.
type Packet struct {
	Time time.Time `json:"time,omitzero"`
	// NIC is the interface that it came in by, Out the one it would have left
	// by; empty if none.
	NIC string `json:"nic,omitempty"`
	Out string `json:"out,omitempty"`

	Source     netip.Addr `json:"source,omitzero"`
	SourcePort uint16     `json:"source_port,omitempty"`
	SourceMAC  string     `json:"source_mac,omitempty"`
	// SourceContainer is the container that sent it; empty if not known, or none.
	SourceContainer string `json:"source_container,omitempty"`

	// Destination and Port are as the rule saw them: in FORWARD the container's
	// own, after DNAT.
	Destination netip.Addr `json:"destination,omitzero"`
	Port        uint16     `json:"port,omitempty"`
	// Container is the container that it was for; empty if not known, or none.
	Container string `json:"container,omitempty"`

	// Protocol is tcp, udp, icmp, or a number.
	Protocol string `json:"protocol,omitempty"`
	// ICMPType is there for ICMP only.
	ICMPType *uint8 `json:"icmp_type,omitempty"`

	// Policy is the block or default that refused it; Position is where that
	// stands, such as agent.hcl:31, and empty where no file says it.
	Policy   string `json:"policy,omitempty"`
	Position string `json:"position,omitempty"`

	// seq counts the packets of a Feed.
	seq uint64
}

// Line is what a reader of the feed gets: a packet, or how many were lost.
type Line struct {
	Packet
	// Lost is how many packets this reader was too slow for; 0 if this is a packet.
	Lost uint64 `json:"lost,omitempty"`
}

// About reports whether the container sent the packet or would have got it.
func (p Packet) About(container string) bool {
	return container == p.Container || container == p.SourceContainer
}
