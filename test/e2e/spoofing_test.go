package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"dockwall/test/lab"
)

var (
	everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodes  = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	foreigner = net.HardwareAddr{2, 0, 0, 0, 0, 0x66}
)

// attack is a frame that a container with a raw socket sends in a name that is not its
// own, or in a part that is not a container's. mark are bytes to know it by.
type attack struct {
	name  string
	frame func(mark []byte) []gopacket.SerializableLayer
}

// attackers make the frames by which the container eve attacks the container bob on the
// same network.
type attackers struct {
	t         *testing.T
	l         *lab.Lab
	eve, bob  wired
	gateway   map[int]netip.Addr
	marks     int
	eveLocal  netip.Addr
	bobs, own map[int]netip.Addr
}

func newAttackers(t *testing.T, l *lab.Lab, network string) *attackers {
	a := &attackers{t: t, l: l, eve: wire(l, "eve", network), bob: wire(l, "bob", network),
		gateway: map[int]netip.Addr{4: netip.MustParseAddr("172.30.1.1"), 6: netip.MustParseAddr("2001:db8:101::1")},
		bobs:    map[int]netip.Addr{}, own: map[int]netip.Addr{}}
	for _, f := range []int{4, 6} {
		a.bobs[f], a.own[f] = a.bob.Addr(network, f), a.eve.Addr(network, f)
	}
	a.eveLocal = local(a.eve.MAC())
	return a
}

// local is the link-local address that Linux makes of an Ethernet address.
func local(m net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

func arpFrame(from, to, sender net.HardwareAddr, op uint16, claimed, target netip.Addr, mark []byte) []gopacket.SerializableLayer {
	return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: from, DstMAC: to, EthernetType: layers.EthernetTypeARP},
		&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: op,
			SourceHwAddress: sender, SourceProtAddress: claimed.AsSlice(), DstHwAddress: to, DstProtAddress: target.AsSlice()}, gopacket.Payload(mark)}
}

func icmp6Frame(from net.HardwareAddr, src netip.Addr, kind uint8, body, mark []byte, extension bool) []gopacket.SerializableLayer {
	all := netip.MustParseAddr("ff02::1")
	icmp := []gopacket.SerializableLayer{&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(kind, 0)}, gopacket.Payload(bytes.Join([][]byte{body, {1, 1}, mark}, nil))}
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: src.AsSlice(), DstIP: all.AsSlice()}
	parts := []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: from, DstMAC: allNodes, EthernetType: layers.EthernetTypeIPv6}, ip}
	if extension {
		ip.NextHeader = layers.IPProtocolIPv6Destination
		padding := &layers.IPv6DestinationOption{OptionType: 1, OptionLength: 4, ActualLength: 6, OptionData: make([]byte, 4)}
		d := &layers.IPv6Destination{Options: []*layers.IPv6DestinationOption{padding}}
		d.NextHeader = layers.IPProtocolICMPv6
		parts = append(parts, d)
	}
	return append(parts, icmp...)
}

func udpFrame(from, to net.HardwareAddr, src, dst netip.AddrPort, mark []byte) []gopacket.SerializableLayer {
	udp := &layers.UDP{SrcPort: layers.UDPPort(src.Port()), DstPort: layers.UDPPort(dst.Port())}
	e := &layers.Ethernet{SrcMAC: from, DstMAC: to, EthernetType: layers.EthernetTypeIPv4}
	if src.Addr().Is6() {
		e.EthernetType = layers.EthernetTypeIPv6
		return []gopacket.SerializableLayer{e, &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()},
			udp, gopacket.Payload(mark)}
	}
	return []gopacket.SerializableLayer{e, &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: src.Addr().AsSlice(), DstIP: dst.Addr().AsSlice()},
		udp, gopacket.Payload(mark)}
}

// neighbour is the body of a solicitation or an advertisement.
func neighbour(flags byte, target netip.Addr) []byte {
	return append([]byte{flags, 0, 0, 0}, target.AsSlice()...)
}

// spoofs are frames that no container may send.
func (a *attackers) spoofs() []attack {
	eve, bob := a.eve.MAC(), a.bob.MAC()
	nobody := map[int]netip.Addr{4: netip.MustParseAddr("172.30.1.200"), 6: netip.MustParseAddr("2001:db8:101::200")}
	at := netip.AddrPortFrom
	all := []attack{
		{"an advertisement behind an extension header", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.eveLocal, 136, neighbour(0x20, a.bobs[6]), m, true)
		}},
		{"a router advertisement", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.eveLocal, 134, []byte{64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}, m, false)
		}},
		{"a router advertisement behind an extension header", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.eveLocal, 134, []byte{64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0}, m, true)
		}},
		{"a redirect", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.eveLocal, 137, append(neighbour(0, a.bobs[6]), a.bobs[6].AsSlice()...), m, false)
		}},
		{"duplicate address detection of a neighbour's address", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, netip.IPv6Unspecified(), 135, neighbour(0, a.bobs[6]), m, false)
		}},
		{"a DHCP answer", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, everybody, at(a.own[4], 67), at(netip.MustParseAddr("255.255.255.255"), 68), m)
		}},
		{"a DHCPv6 answer", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, bob, at(a.eveLocal, 547), at(local(bob), 546), m)
		}},
		{"another Ethernet address", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(foreigner, bob, at(a.own[4], 9), at(a.bobs[4], 9), m)
		}},
		{"a raw 802.3 frame", func(m []byte) []gopacket.SerializableLayer {
			return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: eve, DstMAC: bob, EthernetType: layers.EthernetTypeLLC, Length: 20}, gopacket.Payload(append(m, make([]byte, 14)...))}
		}},
		{"an unknown type", func(m []byte) []gopacket.SerializableLayer {
			return []gopacket.SerializableLayer{&layers.Ethernet{SrcMAC: eve, DstMAC: bob, EthernetType: 0x88b5}, gopacket.Payload(append(m, make([]byte, 14)...))}
		}},
		{"a message of ARP that is not for Ethernet", func(m []byte) []gopacket.SerializableLayer {
			f := arpFrame(eve, everybody, eve, 1, a.own[4], a.bobs[4], m)
			f[1].(*layers.ARP).AddrType = 6
			return f
		}},
		{"an ARP probe for a neighbour's address", func(m []byte) []gopacket.SerializableLayer {
			return arpFrame(eve, everybody, eve, 1, netip.IPv4Unspecified(), a.bobs[4], m)
		}},
		{"ARP with another sender's Ethernet address", func(m []byte) []gopacket.SerializableLayer {
			return arpFrame(eve, everybody, foreigner, 1, a.own[4], a.bobs[4], m)
		}},
	}
	for name, tags := range map[string][]layers.EthernetType{"a VLAN tag": {layers.EthernetTypeDot1Q}, "two VLAN tags": {layers.EthernetTypeQinQ, layers.EthernetTypeDot1Q}} {
		for _, id := range []uint16{0, 5} {
			all = append(all, attack{fmt.Sprintf("%s of VLAN %d", name, id), func(m []byte) []gopacket.SerializableLayer {
				f := udpFrame(eve, bob, at(a.own[4], 9), at(a.bobs[4], 9), m)
				f[0].(*layers.Ethernet).EthernetType = tags[0]
				for i := range tags {
					next := layers.EthernetTypeIPv4
					if i+1 < len(tags) {
						next = tags[i+1]
					}
					f = append(f[:i+1], append([]gopacket.SerializableLayer{&layers.Dot1Q{VLANIdentifier: id, Type: next}}, f[i+1:]...)...)
				}
				return f
			}})
		}
	}
	for whose, addrs := range map[string]map[int]netip.Addr{"the gateway's": a.gateway, "nobody's": nobody, "a neighbour's": a.bobs} {
		for _, op := range []uint16{1, 2} {
			all = append(all, attack{fmt.Sprintf("ARP %d with %s address", op, whose), func(m []byte) []gopacket.SerializableLayer {
				return arpFrame(eve, everybody, eve, op, addrs[4], a.own[4], m)
			}}, attack{fmt.Sprintf("gratuitous ARP %d for %s address", op, whose), func(m []byte) []gopacket.SerializableLayer {
				return arpFrame(eve, everybody, eve, op, addrs[4], addrs[4], m)
			}})
		}
		all = append(all, attack{"an advertisement of " + whose + " address", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.eveLocal, 136, neighbour(0x20, addrs[6]), m, false)
		}}, attack{"IPv4 from " + whose + " address", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, bob, at(addrs[4], 9), at(a.bobs[4], 9), m)
		}}, attack{"IPv6 from " + whose + " address", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, bob, at(addrs[6], 9), at(a.bobs[6], 9), m)
		}})
	}
	return all
}

// honest are frames that every container may send.
func (a *attackers) honest() []attack {
	eve, bob, at := a.eve.MAC(), a.bob.MAC(), netip.AddrPortFrom
	return []attack{
		{"a question of ARP", func(m []byte) []gopacket.SerializableLayer {
			return arpFrame(eve, everybody, eve, 1, a.own[4], a.bobs[4], m)
		}},
		{"gratuitous ARP for its own address", func(m []byte) []gopacket.SerializableLayer {
			return arpFrame(eve, everybody, eve, 2, a.own[4], a.own[4], m)
		}},
		{"an ARP probe for its own address", func(m []byte) []gopacket.SerializableLayer {
			return arpFrame(eve, everybody, eve, 1, netip.IPv4Unspecified(), a.own[4], m)
		}},
		{"duplicate address detection", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, netip.IPv6Unspecified(), 135, neighbour(0, a.own[6]), m, false)
		}},
		{"duplicate address detection of its link-local address", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, netip.IPv6Unspecified(), 135, neighbour(0, a.eveLocal), m, false)
		}},
		{"an advertisement of its own", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.own[6], 136, neighbour(0x20, a.own[6]), m, false)
		}},
		{"an advertisement of its link-local address", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.eveLocal, 136, neighbour(0x20, a.eveLocal), m, false)
		}},
		{"a router solicitation", func(m []byte) []gopacket.SerializableLayer {
			return icmp6Frame(eve, a.eveLocal, 133, make([]byte, 4), m, false)
		}},
		{"a question for DHCP", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, everybody, at(netip.IPv4Unspecified(), 68), at(netip.MustParseAddr("255.255.255.255"), 67), m)
		}},
		{"mDNS", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, net.HardwareAddr{1, 0, 0x5e, 0, 0, 0xfb}, at(a.own[4], 5353), at(netip.MustParseAddr("224.0.0.251"), 5353), m)
		}},
		{"IPv4", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, bob, at(a.own[4], 9), at(a.bobs[4], 9), m)
		}},
		{"IPv6", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(eve, bob, at(a.own[6], 9), at(a.bobs[6], 9), m)
		}},
		{"an autoconfigured address", func(m []byte) []gopacket.SerializableLayer {
			id := a.eveLocal.As16()
			copy(id[:8], []byte{0x20, 1, 0xd, 0xb8, 0, 0x77, 0, 0})
			return udpFrame(eve, bob, at(netip.AddrFrom16(id), 9), at(a.bobs[6], 9), m)
		}},
	}
}

// arrives sends each frame by the wire, and returns the names of those that the other
// wire receives.
func (a *attackers) arrives(by, at *lab.Wire, all []attack) map[string]bool {
	names, marks := map[string]string{}, [][]byte{}
	for range 2 { // a busy machine may lose one
		for _, x := range all {
			a.marks++
			mark := []byte{2, 0xd0, 0xc0, 0x11, byte(a.marks >> 8), byte(a.marks)}
			names[string(mark)], marks = x.name, append(marks, mark)
			by.Send(x.frame(mark)...)
		}
	}
	arrived := map[string]bool{}
	at.Sees(400*time.Millisecond, func(p gopacket.Packet) bool {
		for _, m := range marks {
			if bytes.Contains(p.Data(), m) {
				arrived[names[string(m)]] = true
			}
		}
		return false
	})
	return arrived
}

// check reports what does not fare as it should.
func (a *attackers) check(when string, by, at *lab.Wire, all []attack, pass bool) {
	a.t.Helper()
	arrived := a.arrives(by, at, all)
	for _, x := range all {
		if arrived[x.name] != pass {
			a.t.Errorf("%s: %s arrives: %v, want %v", when, x.name, arrived[x.name], pass)
		}
	}
}

// eventually waits until it is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Errorf("not in 10 s: %s", what)
			return
		}
	}
}

// learned counts what the bridge has learned behind the container's port.
func learned(l *lab.Lab, bridge string) int {
	return strings.Count(l.Host("bridge", "fdb", "show", "br", bridge, "dynamic"), "\n") + 1
}

// TestSpoofing: with spoofing = "deny" a container with raw sockets sends nothing in
// another's name, and all that is its own. Without it, each of these frames arrives.
func TestSpoofing(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		network := six(l, 1)
		a := newAttackers(t, l, network)
		a.check("without the agent", a.eve.Wire, a.bob.Wire, a.spoofs(), true)
		a.check("without the agent", a.eve.Wire, a.bob.Wire, a.honest(), true)
		agent := l.Agentd(`defaults { spoofing = "deny" }`)
		check := func(when string) {
			t.Helper()
			a.check(when, a.eve.Wire, a.bob.Wire, a.spoofs(), false)
			a.check(when, a.eve.Wire, a.bob.Wire, a.honest(), true)
		}
		check("well")
		told, _, _ := l.Agentctl("denied", "--since", "10m", "--no-follow", "--json")
		for _, want := range []string{`"policy":"spoof"`, `"source_container":"eve"`, `"protocol":"arp"`, `"protocol":"ethertype 0x88b5"`} {
			if !strings.Contains(told, want) {
				t.Errorf("denied does not show %s:\n%s", want, told)
			}
		}
		l.Host("nft", "flush", "ruleset")
		eventually(t, "the table is back", func() bool {
			out, _, _ := l.TryHost("nft", "list", "table", "bridge", "dockwall")
			return strings.Contains(out, "hook postrouting")
		})
		check("after a flush")
		agent.Signal(syscall.SIGSTOP)
		check("frozen")
		// A container that no agent knows sends nothing.
		late := wire(l, "late", network)
		lateLocal := local(late.MAC())
		newcomer := &attackers{t: t, l: l, eve: late, bob: a.bob, gateway: a.gateway, bobs: a.bobs, eveLocal: lateLocal, marks: 1000,
			own: map[int]netip.Addr{4: late.Addr(network, 4), 6: late.Addr(network, 6)}}
		newcomer.check("unknown", late.Wire, a.bob.Wire, append(newcomer.spoofs(), newcomer.honest()...), false)
		agent.Signal(syscall.SIGCONT)
		eventually(t, "the new container may send", func() bool {
			return len(newcomer.arrives(late.Wire, a.bob.Wire, newcomer.honest())) == len(newcomer.honest())
		})
		newcomer.check("known", late.Wire, a.bob.Wire, newcomer.spoofs(), false)
		agent.Kill()
		check("dead")
		agent = l.LaunchAgentd()
		agent.WaitState("enforcing")
		check("back")
		l.WriteConfig(`defaults { spoofing = "allow" }`)
		eventually(t, "spoofing is allowed", func() bool {
			return len(a.arrives(a.eve.Wire, a.bob.Wire, a.spoofs())) > len(a.spoofs())/2
		})
	})
}

// TestSpoofingTables: what the attacks leave in the tables of the host, of the bridge and
// of a neighbour.
func TestSpoofingTables(t *testing.T) {
	onEngines(t, outer[1:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		network := six(l, 1)
		a := newAttackers(t, l, network)
		bridge := bridgeOf(l, network)
		at := netip.AddrPortFrom
		steal := func() {
			for i := range 3000 {
				from := net.HardwareAddr{2, 1, 0, 0, byte(i >> 8), byte(i)}
				a.eve.Send(udpFrame(from, everybody, at(a.own[4], 9), at(a.bobs[4], 9), nil)...)
			}
			a.eve.Send(udpFrame(a.bob.MAC(), everybody, at(a.own[4], 9), at(a.bobs[4], 9), nil)...)
		}
		port := func(m net.HardwareAddr) string {
			for line := range strings.Lines(l.Host("bridge", "fdb", "show", "br", bridge, "dynamic")) {
				if f := strings.Fields(line); len(f) > 2 && f[0] == m.String() {
					return f[2]
				}
			}
			return ""
		}
		bobs := func() string {
			a.bob.Send(arpFrame(a.bob.MAC(), everybody, a.bob.MAC(), 2, a.bobs[4], a.bobs[4], nil)...)
			time.Sleep(50 * time.Millisecond)
			return port(a.bob.MAC())
		}
		home := bobs()
		steal()
		if n := learned(l, bridge); n < 3000 {
			t.Fatalf("without the agent: %d addresses learned: this shows nothing", n)
		}
		eventually(t, "without the agent, bob's address is stolen", func() bool { // until bob sends again
			a.eve.Send(udpFrame(a.bob.MAC(), everybody, at(a.own[4], 9), at(a.bobs[4], 9), nil)...)
			return port(a.bob.MAC()) != home
		})
		l.WriteConfig(`defaults { spoofing = "deny" }`)
		if out, _, code := l.Agentctl("diff"); code != 1 || !strings.Contains(out, "spoofing") {
			t.Errorf("diff: %d\n%s", code, out)
		}
		agent := l.Agentd(`defaults { spoofing = "deny" }`)
		if out, _, code := l.Agentctl("diff"); code != 0 {
			t.Errorf("diff while it is in force: %d\n%s", code, out)
		}
		l.Host("sh", "-ec", "for p in /sys/class/net/"+bridge+"/brif/*/flush; do echo 1 > $p; done")
		if home = bobs(); home == "" {
			t.Fatal("bob's address was not learned")
		}
		steal()
		if n := learned(l, bridge); n > 4 || port(a.bob.MAC()) != home {
			t.Errorf("%d addresses learned, bob's at %s, want %s", n, port(a.bob.MAC()), home)
		}
		// The host knows bob by ARP and neighbour discovery, and goes on to.
		for _, f := range []int{4, 6} {
			must(t, l, lab.Ask{From: l.Client("host"), Proto: "tcp", Addr: a.bobs[f], Port: 80}, "bob")
		}
		time.Sleep(1100 * time.Millisecond) // Linux replaces an entry of ARP once it is a second old
		for range 3 {
			a.eve.Send(arpFrame(a.eve.MAC(), everybody, a.eve.MAC(), 2, a.bobs[4], a.bobs[4], nil)...)
			a.eve.Send(icmp6Frame(a.eve.MAC(), a.eveLocal, 136, neighbour(0x20, a.bobs[6]), a.eve.MAC(), false)...)
		}
		time.Sleep(100 * time.Millisecond)
		known := l.Host("ip", "neigh", "show", "dev", bridge)
		for _, f := range []int{4, 6} {
			if !strings.Contains(known, a.bobs[f].String()+" lladdr "+a.bob.MAC().String()) {
				t.Errorf("IPv%d: the host's neighbours are\n%s", f, known)
			}
		}
		agent.Stop()
		if _, stderr, code := l.Agentctl("remove"); code != 0 {
			t.Errorf("remove: %d, %s", code, stderr)
		}
		if tables := l.Host("nft", "list", "tables"); strings.Contains(tables, "bridge dockwall") {
			t.Errorf("remove leaves\n%s", tables)
		}
	})
}

// within runs a script in the container's network namespace.
func within(l *lab.Lab, c wired, script string) string {
	pid := strings.TrimSpace(l.Docker("inspect", "--format", "{{.State.Pid}}", c.Name))
	return l.Host("nsenter", "-t", pid, "-n", "sh", "-ec", script)
}

// TestSpoofingAllows: what containers do by right goes on working, also for those that
// start with an address of their own choice, on two networks, and beside a macvlan; and
// what a spoofing block allows.
func TestSpoofingAllows(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		one, two := six(l, 1), six(l, 2)
		l.Client("host").Serve("host", "tcp:7000")
		l.Client("wan").Serve("wan", "tcp:7000")
		agent := l.Agentd(`defaults { spoofing = "deny" }
containers "vip" { names = ["vip"] }
spoofing "vrrp" {
  of        = [containers.vip]
  addresses = ["172.30.1.250", "2001:db8:101::250", "10.8.0.0/24"]
  macs      = ["00:00:5e:00:01:0a"]
}`)
		bob := wire(l, "bob", one)
		both := wire(l, "both", one)
		l.Docker("network", "connect", two, "both")
		fixed := wire(l, "fixed", two, "--mac-address", "02:00:00:aa:bb:cc", "--ip", "172.30.2.77", "--ip6", "2001:db8:102::77")
		vip := wire(l, "vip", one)
		l.Docker("network", "create", "-d", "macvlan", "--subnet", "198.51.100.0/24", "--gateway", l.ClientAddr("lan", 4).String(), "--ip-range", "198.51.100.128/25", "-o", "parent=eth1", "mv")
		mv := l.RunContainer(lab.Spec{Name: "mv", Network: "mv"})
		l.Client("lan").Serve("lan", "tcp:7000")
		for _, f := range []int{4, 6} {
			ask := func(from *lab.Client, to netip.Addr, port uint16, server string) {
				t.Helper()
				must(t, l, lab.Ask{From: from, Proto: "tcp", Addr: to, Port: port}, server)
			}
			ask(both.Client(), bob.Addr(one, f), 80, "bob")
			ask(both.Client(), fixed.Addr(two, f), 80, "fixed")
			ask(fixed.Client(), both.Addr(two, f), 80, "both")
			ask(fixed.Client(), l.ClientAddr("wan", f), 7000, "wan")
			ask(bob.Client(), l.HostAddr("eth0", f), 7000, "host")
		}
		must(t, l, lab.Ask{From: mv.Client(), Proto: "tcp", Addr: l.ClientAddr("lan", 4), Port: 7000}, "lan")

		// Duplicate address detection, as at each start of a container.
		within(l, bob, "ip link set eth0 down; sysctl -qw net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.accept_ra=2; ip link set eth0 up")
		eventually(t, "bob's link-local address is his", func() bool {
			out := within(l, bob, "ip -6 addr show dev eth0 scope link")
			return strings.Contains(out, local(bob.MAC()).String()) && !strings.Contains(out, "tentative") && !strings.Contains(out, "dadfailed")
		})
		// A router on the bridge, which is the host, announces a prefix.
		l.Host("ip", "addr", "add", "2001:db8:77::1/64", "dev", bridgeOf(l, one), "nodad")
		router := l.Client("host").Wire(bridgeOf(l, one))
		prefix := append([]byte{3, 4, 64, 0xc0, 0, 0, 0xe, 0x10, 0, 0, 0xe, 0x10, 0, 0, 0, 0}, netip.MustParseAddr("2001:db8:77::").AsSlice()...)
		router.Send(icmp6Frame(router.MAC(), local(router.MAC()), 134, append([]byte{64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, prefix...), router.MAC(), false)...)
		auto := local(bob.MAC()).As16()
		copy(auto[:8], netip.MustParseAddr("2001:db8:77::").AsSlice())
		eventually(t, "bob reaches the host from an autoconfigured address", func() bool {
			return bob.Client().DialFrom(netip.AddrFrom16(auto), "tcp", netip.MustParseAddr("2001:db8:77::1"), 7000).Server() == "host"
		})

		a := &attackers{t: t, l: l, marks: 2000}
		at := netip.AddrPortFrom
		virtual := net.HardwareAddr{0, 0, 0x5e, 0, 1, 0x0a}
		var lent []attack
		for name, mac := range map[string]net.HardwareAddr{"its own": vip.MAC(), "the virtual": virtual} {
			for _, addr := range []string{"172.30.1.250", "10.8.0.77", vip.Addr(one, 4).String()} {
				from := netip.MustParseAddr(addr)
				lent = append(lent, attack{addr + " from " + name, func(m []byte) []gopacket.SerializableLayer {
					return udpFrame(mac, bob.MAC(), at(from, 9), at(bob.Addr(one, 4), 9), m)
				}}, attack{"ARP of " + addr + " from " + name, func(m []byte) []gopacket.SerializableLayer {
					return arpFrame(mac, everybody, mac, 2, from, from, m)
				}})
			}
			six := netip.MustParseAddr("2001:db8:101::250")
			lent = append(lent, attack{"IPv6 from " + name, func(m []byte) []gopacket.SerializableLayer {
				return udpFrame(mac, bob.MAC(), at(six, 9), at(bob.Addr(one, 6), 9), m)
			}}, attack{"an advertisement from " + name, func(m []byte) []gopacket.SerializableLayer {
				return icmp6Frame(mac, six, 136, neighbour(0x20, six), m, false)
			}}, attack{"duplicate address detection from " + name, func(m []byte) []gopacket.SerializableLayer {
				return icmp6Frame(mac, netip.IPv6Unspecified(), 135, neighbour(0, six), m, false)
			}})
		}
		a.check("with the block", vip.Wire, bob.Wire, lent, true)
		a.check("without the block", both.Wire, bob.Wire, lent, false)
		a.check("not in the block", vip.Wire, bob.Wire, []attack{{"10.9.0.1", func(m []byte) []gopacket.SerializableLayer {
			return udpFrame(vip.MAC(), bob.MAC(), at(netip.MustParseAddr("10.9.0.1"), 9), at(bob.Addr(one, 4), 9), m)
		}}}, false)

		// An image build has a veth of which the engine does not tell: it works, and claims
		// an address that no container has.
		build := l.Plug("build", bridgeOf(l, one), netip.MustParsePrefix("172.30.1.99/24"), netip.MustParsePrefix("2001:db8:101::99/64"))
		for _, f := range []int{4, 6} {
			eventually(t, "the build gets out", func() bool {
				return build.Dial("tcp", l.ClientAddr("wan", f), 7000).Server() == "wan"
			})
		}
		b := build.Wire("eth0")
		a.check("a build", b, bob.Wire, []attack{
			{"ARP of the gateway's address", func(m []byte) []gopacket.SerializableLayer {
				return arpFrame(b.MAC(), everybody, b.MAC(), 2, netip.MustParseAddr("172.30.1.1"), netip.MustParseAddr("172.30.1.1"), m)
			}},
			{"ARP of a container's address", func(m []byte) []gopacket.SerializableLayer {
				return arpFrame(b.MAC(), everybody, b.MAC(), 2, bob.Addr(one, 4), bob.Addr(one, 4), m)
			}},
			{"another Ethernet address", func(m []byte) []gopacket.SerializableLayer {
				return udpFrame(foreigner, bob.MAC(), at(netip.MustParseAddr("172.30.1.99"), 9), at(bob.Addr(one, 4), 9), m)
			}},
			{"an advertisement of the gateway's address", func(m []byte) []gopacket.SerializableLayer {
				return icmp6Frame(b.MAC(), netip.MustParseAddr("2001:db8:101::99"), 136, neighbour(0x20, netip.MustParseAddr("2001:db8:101::1")), m, false)
			}},
		}, false)
		// Stopped is not away: a container that is started again goes on working.
		agent.Stop()
		l.Docker("restart", "-t", "0", "bob")
		must(t, l, lab.Ask{From: both.Client(), Proto: "tcp", Addr: bob.Addr(one, 4), Port: 80}, "bob")
	})
}
