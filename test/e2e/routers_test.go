package e2e_test

import (
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"dockwall/rules"
	"dockwall/test/lab"
)

// keptApart lets the container left do anything to the container right, and nothing
// else.
const keptApart = `
containers "left"  { names = ["left"] }
containers "right" { names = ["right"] }
defaults {
  between = "deny"
  host    = "deny"
}
between "all" {
  from = [containers.left]
  to   = [containers.right]
}
`

// message is an ICMP message that one container sends to another by hand.
type message struct {
	name   string
	v4     bool
	kind   uint8
	group  string // the destination, "" for the neighbour's own address
	passes bool   // under keptApart
}

var messages = []message{
	{"a neighbour solicitation", false, 135, "", true},
	{"a neighbour advertisement", false, 136, "", true},
	{"a neighbour advertisement to all", false, 136, "ff02::1", true},
	{"a router solicitation", false, 133, "", false},
	{"a router advertisement", false, 134, "", false},
	{"a router advertisement to all", false, 134, "ff02::1", false},
	{"a redirect", false, 137, "", false},
	{"a listener's report", false, 131, "ff02::1", false},
	{"an IPv4 redirect", true, 5, "", false},
}

// frame is the message as it goes from one wire to the other. Both MAC addresses are
// of the two, a group's too: a bridge floods that, and here no other shall see it.
func (m message) frame(from, to *lab.Wire, src, dst netip.Addr) []gopacket.SerializableLayer {
	e := &layers.Ethernet{SrcMAC: from.MAC(), DstMAC: to.MAC(), EthernetType: layers.EthernetTypeIPv6}
	if m.v4 {
		e.EthernetType = layers.EthernetTypeIPv4
		return []gopacket.SerializableLayer{e, &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolICMPv4, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()},
			&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(m.kind, 1)}, gopacket.Payload(make([]byte, 28))}
	}
	if m.group != "" {
		dst = netip.MustParseAddr(m.group)
	}
	target := dst
	if m.kind == rules.TypeNeighbourAdvertise {
		target = src // another's would be a forged claim, which the bridge refuses
	}
	body := append(make([]byte, 4), target.AsSlice()...)
	if m.kind == layers.ICMPv6TypeRouterAdvertisement {
		body, _ = hex.DecodeString("400007080000000000000000") // a router for half an hour
	}
	return []gopacket.SerializableLayer{e, &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: linkLocal(from.MAC()), DstIP: dst.AsSlice()},
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(m.kind, 0)}, gopacket.Payload(body)}
}

// linkLocal is an address that no place of the lab has.
func linkLocal(mac net.HardwareAddr) net.IP {
	return append(net.ParseIP("fe80::dead:0:0")[:10], mac...)
}

// arrives reports whether the wire receives the message from the MAC address.
func (m message) arrives(at *lab.Wire, from net.HardwareAddr) bool {
	return at.Sees(300*time.Millisecond, func(p gopacket.Packet) bool {
		e, _ := p.LinkLayer().(*layers.Ethernet)
		if e == nil || e.SrcMAC.String() != from.String() {
			return false
		}
		if icmp, ok := p.Layer(layers.LayerTypeICMPv6).(*layers.ICMPv6); ok {
			return !m.v4 && icmp.TypeCode.Type() == m.kind
		}
		icmp, ok := p.Layer(layers.LayerTypeICMPv4).(*layers.ICMPv4)
		return ok && m.v4 && icmp.TypeCode.Type() == m.kind
	})
}

// TestRouters has a container send what routers and neighbours send, by hand, to a
// neighbour from which it is kept apart, and to the host.
func TestRouters(t *testing.T) {
	onSetups(t, func(t *testing.T, l *lab.Lab, firewall string) {
		network := six(l, 1)
		bridge := "br-" + strings.TrimSpace(l.Docker("network", "inspect", "--format", "{{.Id}}", network))[:12]
		left, right := l.RunContainer(lab.Spec{Name: "left", Network: network}), l.RunContainer(lab.Spec{Name: "right", Network: network})
		from, to, host := left.Client().Wire("eth0"), right.Client().Wire("eth0"), l.Client("host").Wire(bridge)
		inRight := func(args ...string) string { return inContainer(l, right, args...) }
		onHost := func(args ...string) string { return l.Host(args...) }
		inRight("sysctl", "-qw", "net.ipv6.conf.eth0.accept_ra=2")
		onHost("sysctl", "-qw", "net.ipv6.conf."+bridge+".accept_ra=2", "net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1")
		// routed reports whether a router advertisement made a default route.
		routed := func(at func(...string) string) bool {
			time.Sleep(200 * time.Millisecond)
			defer at("ip", "-6", "route", "flush", "proto", "ra")
			return strings.Contains(at("ip", "-6", "route", "show", "proto", "ra"), "default")
		}
		try := func(kept bool) {
			for _, m := range messages {
				advert := m.kind == layers.ICMPv6TypeRouterAdvertisement && !m.v4
				family := 6
				if m.v4 {
					family = 4
				}
				src := left.Addr(network, family)
				from.Send(m.frame(from, to, src, right.Addr(network, family))...)
				if got := m.arrives(to, from.MAC()); got != (m.passes || !kept) {
					t.Errorf("%s reaches the neighbour: %v, kept apart: %v", m.name, got, kept)
				}
				if advert && routed(inRight) == kept {
					t.Errorf("%s changes the neighbour's default route: %v, kept apart: %v", m.name, kept, kept)
				}
				from.Send(m.frame(from, host, src, gateway(l, bridge, family))...)
				if !m.arrives(host, from.MAC()) { // a wire is before the rules
					t.Errorf("%s does not reach the host's bridge", m.name)
				}
				if advert && m.group != "" && routed(onHost) == kept {
					t.Errorf("%s changes the host's default route: %v, kept apart: %v", m.name, kept, kept)
				}
			}
		}
		try(false)
		l.Agentd(firewall + keptApart)
		try(true)
		// What is allowed finds its neighbour, in both families.
		for _, family := range []int{4, 6} {
			inRight("ip", "neigh", "flush", "dev", "eth0")
			inContainer(l, left, "ip", "neigh", "flush", "dev", "eth0")
			must(t, l, lab.Ask{From: left.Client(), Proto: "tcp", Addr: right.Addr(network, family), Port: 80}, "right")
			if r := right.Client().Dial("tcp", left.Addr(network, family), 80); r.OK {
				t.Errorf("the other direction is open: %s", r)
			}
		}
	})
}

// gateway is the bridge's own address in the family.
func gateway(l *lab.Lab, bridge string, family int) netip.Addr {
	out := l.Host("ip", "-br", map[int]string{4: "-4", 6: "-6"}[family], "addr", "show", "dev", bridge, "scope", "global")
	words := strings.Fields(out)
	return netip.MustParsePrefix(words[len(words)-1]).Addr()
}

// inContainer runs a program of the host in the container's network.
func inContainer(l *lab.Lab, c *lab.Container, args ...string) string {
	pid := strings.TrimSpace(l.Docker("inspect", "--format", "{{.State.Pid}}", c.ID))
	return l.Host(append([]string{"nsenter", "--target", pid, "--net"}, args...)...)
}
