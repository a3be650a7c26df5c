package rules

import (
	"net/netip"
	"slices"
)

// Frame is an Ethernet frame that comes in by a port of a bridge.
type Frame struct {
	Port int
	// Veth reports whether the port's name is one that engines give to the veths of
	// containers.
	Veth bool
	MAC  MAC
	// Tagged reports whether the frame has a VLAN tag.
	Tagged    bool
	EtherType uint16
	// Source is the IP packet's source, or the sender of a message of ARP.
	Source netip.Addr
	Proto  Protocol
	// SourcePort and DestPort are UDP's, Type is ICMP's.
	SourcePort, DestPort uint16
	Type                 uint8
	// Target is that of a neighbour solicitation or advertisement, or of a message of
	// ARP; SenderMAC and Operation are ARP's.
	Target    netip.Addr
	SenderMAC MAC
	Operation uint16
}

// The types of frames that containers may send.
const (
	typeIPv4 = 0x0800
	typeARP  = 0x0806
	typeIPv6 = 0x86dd
)

// Sends reports whether the guard lets the frame pass. It says nothing about what else
// the table of the bridges drops.
func (f Frames) Sends(x Frame) bool {
	g := f.Guard
	guarded := slices.Contains(g.Guarded(), x.Port)
	switch {
	case !g.On || slices.Contains(f.Foreign, x.Port) || slices.Contains(g.Free, x.Port):
		return true
	case !guarded:
		return !g.HoldUnknown || !x.Veth
	case x.Tagged:
		return false
	}
	switch x.EtherType {
	case typeIPv4:
		return f.sends4(x)
	case typeIPv6:
		return f.sends6(x)
	case typeARP:
		return f.sendsARP(x)
	}
	return false
}

// speaksFor reports whether the station may claim the address.
func (f Frames) speaksFor(s Station, a netip.Addr) bool {
	g := f.Guard
	switch {
	case slices.Contains(g.Senders, Sender{s, a}):
		return true
	case a.Is6() && slices.Contains(g.Stations(), s) && s.MAC.Identifies(a):
		return true
	case slices.Contains(g.Strays, s):
		return !slices.Contains(f.Known(), a) && !slices.Contains(g.Hosts, a)
	}
	return slices.ContainsFunc(g.Allowances, func(l Allowance) bool { return slices.Contains(l.Stations, s) && l.Covers(a) })
}

func (f Frames) sends4(x Frame) bool {
	s := Station{x.Port, x.MAC}
	asks := x.Source.IsUnspecified() && x.Proto == 17 && x.SourcePort == 68 && x.DestPort == 67 && slices.Contains(f.Guard.Stations(), s)
	answers := x.Proto == 17 && x.SourcePort == 67
	routes := x.Proto == 1 && (x.Type == 5 || x.Type == 9)
	return (asks || f.speaksFor(s, x.Source)) && !answers && !routes
}

func (f Frames) sends6(x Frame) bool {
	s := Station{x.Port, x.MAC}
	icmp := x.Proto == 58
	if x.Source.IsUnspecified() {
		known := slices.Contains(f.Guard.Stations(), s) || slices.Contains(f.Guard.Strays, s)
		joins := x.Type == 131 || x.Type == 132 || x.Type == 143
		return icmp && known && (joins || x.Type == 135 && f.speaksFor(s, x.Target))
	}
	switch {
	case !f.speaksFor(s, x.Source), x.Proto == 17 && x.SourcePort == 547, icmp && (x.Type == 134 || x.Type == 137):
		return false
	}
	return !icmp || x.Type != 136 || f.speaksFor(s, x.Target)
}

func (f Frames) sendsARP(x Frame) bool {
	frame, message := Station{x.Port, x.MAC}, Station{x.Port, x.SenderMAC}
	g := f.Guard
	if slices.Contains(g.Strays, frame) {
		return slices.Contains(g.Strays, message) && f.speaksFor(message, x.Source)
	}
	if !slices.Contains(g.Stations(), frame) {
		return false
	}
	probes := x.Source.IsUnspecified() && x.Operation == 1 && f.claims4(message, x.Target)
	return f.claims4(message, x.Source) || probes
}

// claims4 is speaksFor for a station that is no stray's.
func (f Frames) claims4(s Station, a netip.Addr) bool {
	return !slices.Contains(f.Guard.Strays, s) && f.speaksFor(s, a)
}
