package e2e_test

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"dockwall/test/lab"
)

// forgery is a datagram or the first packet of a TCP connection, as a container
// with a raw socket writes it.
type forgery struct {
	from, to       netip.Addr
	fromMAC, toMAC net.HardwareAddr
	tcp            bool
	tags           []layers.EthernetType // of VLAN 0
}

// send sends it with this payload.
func (f forgery) send(w *lab.Wire, payload string) {
	kind := layers.EthernetTypeIPv4
	if f.from.Is6() {
		kind = layers.EthernetTypeIPv6
	}
	outer := kind
	if len(f.tags) > 0 {
		outer = f.tags[0]
	}
	parts := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: f.fromMAC, DstMAC: f.toMAC, EthernetType: outer}}
	for i := range f.tags {
		next := kind
		if i+1 < len(f.tags) {
			next = f.tags[i+1]
		}
		parts = append(parts, &layers.Dot1Q{Type: next})
	}
	proto := layers.IPProtocolUDP
	if f.tcp {
		proto = layers.IPProtocolTCP
	}
	if f.from.Is6() {
		parts = append(parts, &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: proto, SrcIP: f.from.AsSlice(), DstIP: f.to.AsSlice()})
	} else {
		parts = append(parts, &layers.IPv4{Version: 4, TTL: 64, Protocol: proto, SrcIP: f.from.AsSlice(), DstIP: f.to.AsSlice()})
	}
	if f.tcp {
		parts = append(parts, &layers.TCP{SrcPort: 4444, DstPort: 4444, SYN: true, Window: 1024})
	} else {
		parts = append(parts, &layers.UDP{SrcPort: 4444, DstPort: 4444})
	}
	w.Send(append(parts, gopacket.Payload(payload))...)
}

// wired is a container with a raw socket on its first NIC.
type wired struct {
	*lab.Container
	*lab.Wire
	net string
}

func wire(l *lab.Lab, name, network string, args ...string) wired {
	c := l.RunContainer(lab.Spec{Name: name, Network: network, Args: args})
	return wired{c, c.Client().Wire("eth0"), network}
}

// arrives sends the forgery and reports whether the receiver saw it.
func arrives(f forgery, by, at *lab.Wire, payload string) bool {
	for range 3 {
		f.send(by, payload)
	}
	return at.Receives(150*time.Millisecond, payload)
}

// inBothWays calls f for both families, UDP and TCP.
func inBothWays(f func(name string, family int, tcp bool)) {
	for _, family := range []int{4, 6} {
		for _, tcp := range []bool{false, true} {
			f(fmt.Sprintf("IPv%d, TCP %v", family, tcp), family, tcp)
		}
	}
}

// TestForgedSource: a container with NET_RAW, which Docker gives to all, sends
// with its neighbour's address, with and without the neighbour's Ethernet address.
func TestForgedSource(t *testing.T) {
	onEngines(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		network := six(l, 1)
		ann, bob, web := wire(l, "ann", network), wire(l, "bob", network), wire(l, "web", network)
		agent := l.Agentd(`defaults { published = "deny" }`)
		check := func(when string) {
			inBothWays(func(name string, family int, tcp bool) {
				f := forgery{from: bob.Addr(network, family), to: web.Addr(network, family), fromMAC: bob.MAC(), toMAC: web.MAC(), tcp: tcp}
				if !arrives(f, bob.Wire, web.Wire, fmt.Sprint("honest", when, name)) {
					t.Errorf("%s, %s: what bob sends as itself does not arrive", when, name)
				}
				f.from = ann.Addr(network, family)
				if arrives(f, bob.Wire, web.Wire, fmt.Sprint("address", when, name)) {
					t.Errorf("%s, %s: bob sends with ann's address", when, name)
				}
				f.fromMAC = ann.MAC()
				if arrives(f, bob.Wire, web.Wire, fmt.Sprint("both", when, name)) {
					t.Errorf("%s, %s: bob sends with ann's address and MAC", when, name)
				}
				for _, tags := range [][]layers.EthernetType{{layers.EthernetTypeDot1Q}, {layers.EthernetTypeQinQ}, {layers.EthernetTypeDot1Q, layers.EthernetTypeDot1Q}, {layers.EthernetTypeQinQ, layers.EthernetTypeDot1Q}} {
					f.tags = tags
					if arrives(f, bob.Wire, web.Wire, fmt.Sprint("tagged", when, name, tags)) {
						t.Errorf("%s, %s: bob sends with ann's address and MAC and tags %v", when, name, tags)
					}
				}
			})
		}
		check("well")
		l.Host("nft", "flush", "ruleset")
		agent.WaitState("enforcing")
		time.Sleep(300 * time.Millisecond)
		check("after a flush")
		agent.Signal(syscall.SIGSTOP)
		check("frozen")
		agent.Signal(syscall.SIGCONT)
		agent.Kill()
		check("dead")
	})
}

// TestAddressIsTakenOver: while no agent follows, a container gets the address of
// one that is gone. It gets and sends nothing until the agent is back.
func TestAddressIsTakenOver(t *testing.T) {
	onEngines(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		network := six(l, 1)
		bob := l.RunContainer(lab.Spec{Name: "bob", Network: network})
		fixed := []string{"--ip", "172.30.1.77", "--ip6", "2001:db8:101::77"}
		l.RunContainer(lab.Spec{Name: "ann", Network: network, Args: fixed, Publish: []string{"8080:80"}})
		agent := l.Agentd(`
containers "ann" { names = ["ann"] }
published "ann" {
  to   = [containers.ann]
  from = ["any"]
}
`)
		asks := func(name string) []lab.Ask {
			c := l.Client("wan")
			return []lab.Ask{
				{From: c, Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, {From: c, Proto: "tcp", Addr: l.HostAddr("eth0", 6), Port: 8080},
				{From: bob.Client(), Proto: "tcp", Addr: netip.MustParseAddr("172.30.1.77"), Port: 80},
				{From: bob.Client(), Proto: "udp", Addr: netip.MustParseAddr("2001:db8:101::77"), Port: 80},
			}
		}
		for _, ask := range asks("ann") {
			must(t, l, ask, "ann")
		}
		for _, way := range []string{"frozen", "dead"} {
			if way == "frozen" {
				agent.Signal(syscall.SIGSTOP)
			} else {
				agent.Kill()
			}
			l.Docker("rm", "-f", "ann")
			eve := l.RunContainer(lab.Spec{Name: "eve", Network: network, Args: fixed, Publish: []string{"8080:80"}})
			for _, r := range l.DialAll(append(asks("eve"), lab.Ask{From: eve.Client(), Proto: "tcp", Addr: l.ClientAddr("wan", 4), Port: 7000})) {
				if r.Server() != "" {
					t.Errorf("the agent is %s: %s", way, r)
				}
			}
			l.Docker("rm", "-f", "eve")
			if way == "frozen" {
				agent.Signal(syscall.SIGCONT)
			} else {
				agent = l.LaunchAgentd()
				agent.WaitState("enforcing")
			}
			l.RunContainer(lab.Spec{Name: "ann", Network: network, Args: fixed, Publish: []string{"8080:80"}})
			for _, ask := range asks("ann") {
				must(t, l, ask, "ann")
			}
		}
	})
}
