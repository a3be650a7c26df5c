package e2e_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"dockwall/test/lab"
)

const (
	toAnybody = `published "web" { from = ["any"] }`
	toWan2    = `published "web" { from = ["192.0.2.20", "2001:db8:1::20"] }`
)

// line is a wan client's connection to a container's published port, in frames.
type line struct {
	wan, web         *lab.Wire
	toHost, fromWeb  layers.Ethernet
	client, known    netip.AddrPort // known is the server as the client knows it
	server, answered netip.AddrPort // the server's own address, and whom it answers
}

// cutLab is a host whose container web publishes port 80 under the same number, on
// a network of both families whose bridge is six0.
func cutLab(t *testing.T, engine, variant string) (*lab.Lab, *lab.Container) {
	l := lab.New(t, lab.Options{Engine: engine, Variant: variant})
	l.Host("sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=1", "net.netfilter.nf_conntrack_udp_timeout_stream=1")
	l.Docker("network", "create", "--ipv6", "--subnet", "172.30.7.0/24", "--subnet", "2001:db8:107::/64",
		"--opt", "com.docker.network.bridge.name=six0", "six")
	return l, l.RunContainer(lab.Spec{Name: "web", Network: "six", Publish: []string{"80:80", "80:80/udp"}})
}

// newLine is one to web on a network whose bridge is named after it.
func newLine(l *lab.Lab, web *lab.Container, network string, family int, port uint16) *line {
	host := l.Client("host")
	x := &line{wan: l.Client("wan").Wire("eth0"), web: web.Client().Wire("eth0"),
		client: netip.AddrPortFrom(l.ClientAddr("wan", family), port), known: netip.AddrPortFrom(l.HostAddr("eth0", family), 80),
		server: netip.AddrPortFrom(web.Addr(network, family), 80)}
	x.answered = x.client
	kind := layers.EthernetTypeIPv4
	if family == 6 {
		kind = layers.EthernetTypeIPv6
	}
	x.toHost = layers.Ethernet{SrcMAC: x.wan.MAC(), DstMAC: host.Wire("eth0").MAC(), EthernetType: kind}
	x.fromWeb = layers.Ethernet{SrcMAC: x.web.MAC(), DstMAC: host.Wire(network + "0").MAC(), EthernetType: kind}
	return x
}

// routedLines lead to a container of a network in routed mode, which the client
// knows by its own address.
func routedLines(l *lab.Lab) []*line {
	l.Docker("network", "create", "--ipv6", "--subnet", "172.30.8.0/24", "--subnet", "2001:db8:108::/64",
		"--opt", "com.docker.network.bridge.name=routed0", "--opt", "com.docker.network.bridge.gateway_mode_ipv4=routed",
		"--opt", "com.docker.network.bridge.gateway_mode_ipv6=routed", "routed")
	web := l.RunContainer(lab.Spec{Name: "routed", Network: "routed", Publish: []string{"80/udp"}})
	var lines []*line
	for _, family := range []int{4, 6} {
		x := newLine(l, web, "routed", family, 4001)
		x.known = x.server
		lines = append(lines, x)
	}
	return lines
}

// frame is a packet between two ends; with ttl 1 it ends at the host.
func frame(e layers.Ethernet, from, to netip.AddrPort, ttl uint8, transport gopacket.SerializableLayer, payload string) []gopacket.SerializableLayer {
	proto := layers.IPProtocolTCP
	if _, udp := transport.(*layers.UDP); udp {
		proto = layers.IPProtocolUDP
	}
	if from.Addr().Is4() {
		e.EthernetType = layers.EthernetTypeIPv4
		return []gopacket.SerializableLayer{&e, &layers.IPv4{Version: 4, TTL: ttl, Protocol: proto, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()},
			transport, gopacket.Payload(payload)}
	}
	return []gopacket.SerializableLayer{&e, &layers.IPv6{Version: 6, HopLimit: ttl, NextHeader: proto, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()},
		transport, gopacket.Payload(payload)}
}

func datagram(from, to netip.AddrPort) *layers.UDP {
	return &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
}

// asks sends a datagram to the published port, and pushes one of the container's.
func (x *line) asks(text string) {
	x.wan.Send(frame(x.toHost, x.client, x.known, 64, datagram(x.client, x.known), text)...)
}
func (x *line) pushes(text string) {
	x.web.Send(frame(x.fromWeb, x.server, x.answered, 64, datagram(x.server, x.answered), text)...)
}

// reaches sends datagrams until one arrives at the container, and notes the address
// from which it comes: docker-proxy's where that forwards it. What the agent allows,
// it may allow some milliseconds later.
func (x *line) reaches(payload string) bool {
	arrived := func(p gopacket.Packet) bool {
		udp, ok := p.TransportLayer().(*layers.UDP)
		if !ok || string(udp.Payload) != payload {
			return false
		}
		src, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Src().Raw())
		dst, _ := netip.AddrFromSlice(p.NetworkLayer().NetworkFlow().Dst().Raw())
		x.answered, x.server = netip.AddrPortFrom(src, uint16(udp.SrcPort)), netip.AddrPortFrom(dst, 80)
		return true
	}
	for range 20 {
		x.asks(payload)
		if x.web.Sees(300*time.Millisecond, arrived) {
			return true
		}
	}
	return false
}

// untilCut waits until the file closes the port to wan, and the cut has been logged.
func untilCut(t *testing.T, l *lab.Lab, a *lab.Agent, config string) {
	t.Helper()
	l.WriteConfig(config)
	for deadline := time.Now().Add(10 * time.Second); !strings.Contains(a.Log(), "connections cut"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing was cut:\n%s", a.Log())
		}
	}
}

// TestCutDatagramsStayCut has a server send long after its client was cut, with the
// agent killed: the connection does not come back. Allowed again, it works at once.
func TestCutDatagramsStayCut(t *testing.T) {
	oneByOne(t, []string{"20.10", "28.5"}, func(t *testing.T, engine string) {
		l, web := cutLab(t, engine, "nft")
		lines := []*line{newLine(l, web, "six", 4, 4001), newLine(l, web, "six", 6, 4001)}
		if engine == "28.5" {
			lines = append(lines, routedLines(l)...)
		}
		a := l.Agentd(toAnybody)
		for _, x := range lines {
			if !x.reaches("hello") {
				t.Fatalf("%s: the container did not see the first datagram", x.client)
			}
		}
		untilCut(t, l, a, toWan2)
		a.Kill()
		time.Sleep(3 * time.Second) // what is tracked expires
		for _, x := range lines {
			for range 3 {
				x.pushes("push")
			}
			if x.wan.Receives(300*time.Millisecond, "push") {
				t.Errorf("%s hears the server again", x.client)
			}
			x.asks("more")
			if x.web.Receives(300*time.Millisecond, "more") {
				t.Errorf("%s reaches the server again", x.client)
			}
		}
		l.Agentd(toAnybody)
		for _, x := range lines {
			if !x.reaches("again") {
				t.Errorf("%s is allowed again, and does not reach the server", x.client)
			}
			x.pushes("answer")
			if !x.wan.Receives(2*time.Second, "answer") {
				t.Errorf("%s is allowed again, and does not hear the server", x.client)
			}
		}
	})
}

// segments are the sequence numbers that come next in a TCP connection.
type segments struct{ client, server uint32 }

// next reads them from what the client's NIC saw.
func (x *line) next(s *lab.Stream) (n segments, ok bool) {
	ok = s.Echo() == "ok"
	x.wan.Sees(300*time.Millisecond, func(p gopacket.Packet) bool {
		tcp, is := p.TransportLayer().(*layers.TCP)
		if !is || tcp.DstPort != 80 {
			return false
		}
		x.client = netip.AddrPortFrom(x.client.Addr(), uint16(tcp.SrcPort))
		n = segments{tcp.Seq + uint32(len(tcp.Payload)), tcp.Ack}
		return false
	})
	x.answered = x.client
	return n, ok
}

// TestCutConnectionsStayCut forges a RST, in either side's name, that ends at the
// host, and has the server and the client send: nothing passes.
func TestCutConnectionsStayCut(t *testing.T) {
	oneByOne(t, []string{"20.10", "28.5"}, func(t *testing.T, engine string) {
		for _, variant := range []string{"nft", "legacy"} {
			t.Run(variant, func(t *testing.T) { cutConnectionsStayCut(t, engine, variant) })
		}
	})
}

func cutConnectionsStayCut(t *testing.T, engine, variant string) {
	l, web := cutLab(t, engine, variant)
	families := []int{4}
	if engine == "28.5" {
		families = []int{4, 6} // 20.10 has no DNAT in IPv6: docker-proxy's socket is destroyed
	}
	a := l.Agentd(toAnybody)
	type open struct {
		*line
		at       segments
		byClient bool
	}
	var opened []open
	for _, family := range families {
		for _, byClient := range []bool{true, false} {
			x := newLine(l, web, "six", family, 0)
			n, ok := x.next(l.Client("wan").Stream("tcp", x.known.Addr(), 80))
			if !ok || n.client == 0 {
				t.Fatalf("the connection does not work: %+v", n)
			}
			opened = append(opened, open{x, n, byClient})
		}
	}
	untilCut(t, l, a, toWan2)
	a.Kill()
	for _, x := range opened {
		rst := func(from, to netip.AddrPort, seq uint32) *layers.TCP {
			return &layers.TCP{SrcPort: layers.TCPPort(from.Port()), DstPort: layers.TCPPort(to.Port()), RST: true, Seq: seq}
		}
		if x.byClient {
			x.wan.Send(frame(x.toHost, x.client, x.known, 1, rst(x.client, x.known, x.at.client), "")...)
		} else {
			x.web.Send(frame(x.fromWeb, x.server, x.client, 1, rst(x.server, x.client, x.at.server), "")...)
		}
		for i := range 2 {
			push := &layers.TCP{SrcPort: 80, DstPort: layers.TCPPort(x.client.Port()), ACK: true, PSH: true, Window: 500,
				Seq: x.at.server + uint32(4*i), Ack: x.at.client}
			x.web.Send(frame(x.fromWeb, x.server, x.client, 64, push, "push")...)
			more := &layers.TCP{SrcPort: layers.TCPPort(x.client.Port()), DstPort: 80, ACK: true, PSH: true, Window: 500,
				Seq: x.at.client + uint32(4*i), Ack: x.at.server}
			x.wan.Send(frame(x.toHost, x.client, x.known, 64, more, "more")...)
		}
		if x.wan.Receives(300*time.Millisecond, "push") {
			t.Errorf("forged by the client %v: %s hears the server again", x.byClient, x.client)
		}
		if x.web.Receives(300*time.Millisecond, "more") {
			t.Errorf("forged by the client %v: %s reaches the server again", x.byClient, x.client)
		}
	}
	if out, _, _ := l.TryHost("nft", "list", "table", "inet", "dockwall-cut"); out == "" {
		t.Error("what is closed went with the agent")
	}
	if out, stderr, code := l.Agentctl("remove"); code != 0 {
		t.Errorf("agentctl remove: %s%s", out, stderr)
	}
	if out, _, _ := l.TryHost("nft", "list", "table", "inet", "dockwall-cut"); out != "" {
		t.Errorf("agentctl remove leaves\n%s", out)
	}
}

// TestSeedsEndAtTheStart has a stranger send a datagram in the name of a container,
// and of the host's published port, before the agent runs. The agent ends what
// conntrack made of it: what the stranger sends then is no answer.
func TestSeedsEndAtTheStart(t *testing.T) {
	oneByOne(t, []string{"20.10", "28.5"}, func(t *testing.T, engine string) {
		l, web := cutLab(t, engine, "nft")
		l.Host("sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=120", "net.netfilter.nf_conntrack_udp_timeout_stream=120")
		l.Host("iptables", "-I", "INPUT", "-m", "conntrack", "--ctstate", "NEW") // conntrack runs, as it does where Docker is
		l.Host("ip6tables", "-I", "INPUT", "-m", "conntrack", "--ctstate", "NEW")
		var lines []*line
		for _, family := range []int{4, 6} {
			x := newLine(l, web, "six", family, 5000)
			// As if the container's port 80 had sent to the stranger.
			x.wan.Send(frame(x.toHost, x.server, x.client, 64, datagram(x.server, x.client), "seed")...)
			lines = append(lines, x)
		}
		time.Sleep(300 * time.Millisecond)
		seeds := l.Host("sh", "-c", "conntrack -L -p udp 2>/dev/null; conntrack -L -f ipv6 -p udp 2>/dev/null")
		if strings.Count(seeds, "dport=5000") < 2 {
			t.Fatalf("conntrack took no seed; this test cannot fail:\n%s", seeds)
		}
		a := l.Agentd(`published "none" { from = ["198.51.100.77"] }`)
		for deadline := time.Now().Add(10 * time.Second); !strings.Contains(a.Log(), "seeded=2"); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the agent does not say that it ended two seeds:\n%s", a.Log())
			}
		}
		for _, x := range lines {
			x.wan.Send(frame(x.toHost, x.client, x.server, 64, datagram(x.client, x.server), "reply")...)
			x.asks("reply") // as it was masqueraded
			if x.web.Receives(300*time.Millisecond, "reply") {
				t.Errorf("%s reaches the container by a seed", x.client)
			}
		}
		// A start with the rules in force ends nothing.
		web.Client().Dial("udp", l.ClientAddr("wan2", 4), 9)
		a.Stop()
		l.LaunchAgentd().WaitState("enforcing")
		time.Sleep(time.Second)
		if got := strings.Count(a.Log(), "connections cut"); got != 1 {
			t.Errorf("connections were cut %d times, want once:\n%s", got, a.Log())
		}
	})
}
