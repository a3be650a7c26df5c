package denied

import (
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/published"
)

// named gives a packet the names of this snapshot.
func named(d hostnet.Denied, s netinfo.Snapshot) Packet {
	p := Packet{
		Time: d.At, NIC: linkName(s, d.In), Out: linkName(s, d.Out),
		Source: d.Src, SourcePort: d.SrcPort, SourceMAC: d.MAC, SourceContainer: holder(s, d.Src),
		Destination: d.Dst, Port: d.DstPort, Container: holder(s, d.Dst), Protocol: d.Proto.String(),
	}
	if d.Proto == netinfo.AnyProtocol {
		p.Protocol = "0" // IPv6's hop-by-hop options, cut short
	}
	if d.EtherType != 0 {
		p.Protocol = etherName(d.EtherType)
	}
	// The sender chooses its address, but not the port that it sends by.
	if sender, known := atPort(s, d.Port); known {
		p.SourceContainer = sender
	}
	if d.Proto == netinfo.ICMP || d.Proto == netinfo.ICMPv6 {
		p.ICMPType = &d.Type
	}
	if p.Container == "" && d.Hook == hostnet.HookInput {
		p.Container = publisher(s, d)
	}
	return p
}

// etherName is the name of what a frame carries that is not IP.
func etherName(etherType uint16) string {
	if etherType == unix.ETH_P_ARP {
		return "arp"
	}
	return fmt.Sprintf("ethertype 0x%04x", etherType)
}

// atPort is the container at the bridge port; false if none is known there.
func atPort(s netinfo.Snapshot, port int) (name string, known bool) {
	if port == 0 {
		return "", false
	}
	ports := s.Ports()
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			if at, ok := ports.Of(e); ok && at == port {
				return c.Name, true
			}
		}
	}
	return "", false
}

// linkName is the interface's name; one that came a moment ago, or is gone, has
// its number.
func linkName(s netinfo.Snapshot, index int) string {
	if index == 0 {
		return ""
	}
	for _, l := range s.Links {
		if l.Index == index {
			return l.Name
		}
	}
	return fmt.Sprintf("#%d", index)
}

// holder is the container that has the address.
func holder(s netinfo.Snapshot, a netip.Addr) string {
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			for _, of := range [][]netinfo.Addr{e.Addrs, e.Seen} {
				for _, b := range of {
					if a == b {
						return c.Name
					}
				}
			}
		}
	}
	return ""
}

// publisher returns the name of the container that answers at the address and port
// of the host; empty if none does, or if several on the host's network may.
func publisher(s netinfo.Snapshot, d hostnet.Denied) string {
	a := published.At(&s, d.Proto, netip.AddrPortFrom(d.Dst, d.DstPort))
	all := a.Containers()
	if len(all) == 0 || len(all) > 1 && len(a.HostNetwork) == len(all) {
		return ""
	}
	return all[0].Name
}

// places maps a rule's prefix to its policy.
type places map[string]rules.Origin

// newPlaces takes the origins of a ruleset. Of two policies whose prefixes were
// cut to the same one neither is named.
func newPlaces(origins []rules.Origin) places {
	ps := places{}
	for _, o := range origins {
		prefix := compile.LogPrefix(o.Subject)
		if before, ok := ps[prefix]; ok && before.Subject != o.Subject {
			o = rules.Origin{Subject: rules.Subject{Kind: rules.Kind(subjectOf(prefix) + "…")}}
		}
		ps[prefix] = o
	}
	return ps
}

// tell fills in which policy refused the packet.
func (ps places) tell(p *Packet, prefix string) {
	o, ok := ps[prefix]
	if !ok {
		p.Policy = subjectOf(prefix)
		return
	}
	p.Policy = o.Subject.String()
	if o.File != "" {
		p.Position = fmt.Sprintf("%s:%d", o.File, o.Line)
	}
}

// subjectOf is the subject in a prefix that may have been cut short.
func subjectOf(prefix string) string {
	return strings.TrimPrefix(prefix, compile.LogPrefix(rules.Subject{}))
}
