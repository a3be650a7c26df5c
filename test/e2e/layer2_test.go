package e2e_test

import (
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
	onEngines(t, outer, func(t *testing.T, engine string) {
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
	onEngines(t, outer, func(t *testing.T, engine string) {
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
		// Stopped is not away: what the operator starts again then goes on working.
		agent.Stop()
		l.Docker("restart", "-t", "0", "ann")
		for _, ask := range asks("ann") {
			must(t, l, ask, "ann")
		}
	})
}

// bridgeOf is the name of the network's bridge, and bridgeMAC its address.
func bridgeOf(l *lab.Lab, network string) string {
	return "br-" + l.Docker("network", "inspect", "--format", "{{.ID}}", network)[:12]
}

func bridgeMAC(t *testing.T, l *lab.Lab, network string) net.HardwareAddr {
	t.Helper()
	mac, err := net.ParseMAC(strings.TrimSpace(l.Host("cat", "/sys/class/net/"+bridgeOf(l, network)+"/address")))
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

// TestVLANTags: br_netfilter hides tagged frames from iptables, and the receiver
// takes the tag of VLAN 0 off.
func TestVLANTags(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		shut, open := six(l, 1), six(l, 2)
		ann, web := wire(l, "ann", shut), wire(l, "web", shut)
		xen, yan := wire(l, "xen", open), wire(l, "yan", open)
		agent := l.Agentd(`network "net1" { between = "deny" }`)
		stacks := [][]layers.EthernetType{{layers.EthernetTypeDot1Q}, {layers.EthernetTypeQinQ}, {layers.EthernetTypeDot1Q, layers.EthernetTypeDot1Q}, {layers.EthernetTypeQinQ, layers.EthernetTypeDot1Q}}
		check := func(when string, by wired) {
			inBothWays(func(name string, family int, tcp bool) {
				for _, tags := range append(stacks, nil) {
					f := forgery{from: by.Addr(shut, family), to: web.Addr(shut, family), fromMAC: by.MAC(), toMAC: web.MAC(), tcp: tcp, tags: tags}
					if arrives(f, by.Wire, web.Wire, fmt.Sprint(when, name, tags)) {
						t.Errorf("%s, %s: tags %v pass between containers that are kept apart", when, name, tags)
					}
				}
			})
		}
		check("well", ann)
		for _, tags := range stacks[:2] {
			f := forgery{from: xen.Addr(open, 4), to: yan.Addr(open, 4), fromMAC: xen.MAC(), toMAC: yan.MAC(), tags: tags}
			if !arrives(f, xen.Wire, yan.Wire, fmt.Sprint("open", tags)) {
				t.Errorf("tags %v do not pass where containers may reach each other", tags)
			}
		}
		agent.Kill()
		check("dead", ann)
		late := wire(l, "late", shut)
		check("dead, and a new container", late)
	})
}

// escaping is a policy that restricts bob, and nobody else.
const escaping = `
containers "bob" { names = ["bob"] }
egress "bob" {
  from  = [containers.bob]
  to    = ["192.0.2.10"]
  ports = ["7000/udp"]
}
`

// TestRestrictedPretends: a container that a block restricts sends as nobody, from
// an unused address and MAC, and as an image build. The build, whose port is no
// container's, and honest containers with a second address go on working.
func TestRestrictedPretends(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		network := six(l, 1)
		bob, ann, web := wire(l, "bob", network), wire(l, "ann", network), wire(l, "web", network)
		l.Agentd(escaping)
		build := l.Plug("build", bridgeOf(l, network), netip.MustParsePrefix("172.30.1.99/24"), netip.MustParsePrefix("2001:db8:101::99/64"))
		l.Host("sh", "-c", "ip netns exec build ip route replace default via 172.30.1.1; ip netns exec build ip -6 route replace default via 2001:db8:101::1")
		l.Client("wan2").Serve("wan2", "tcp:7000")
		wan2 := l.Client("wan2").Wire("eth0")
		ask := func(c *lab.Client, family int) lab.Ask {
			return lab.Ask{From: c, Proto: "tcp", Addr: l.ClientAddr("wan2", family), Port: 7000}
		}
		must(t, l, ask(build, 4), "wan2")
		must(t, l, ask(build, 6), "wan2")
		mac := bridgeMAC(t, l, network)
		pretend := func(when string, from netip.Addr, as net.HardwareAddr) {
			for _, tcp := range []bool{false, true} {
				family := 4
				if from.Is6() {
					family = 6
				}
				f := forgery{from: from, to: l.ClientAddr("wan2", family), fromMAC: as, toMAC: mac, tcp: tcp}
				for i := range 12 { // past the time after which a stranger is taken for a build
					if payload := fmt.Sprint(when, from, tcp, i); arrives(f, bob.Wire, wan2, payload) {
						t.Errorf("%s: bob gets out as %s (%s), TCP %v, in try %d", when, from, as, tcp, i)
						break
					}
				}
			}
		}
		nobody := net.HardwareAddr{2, 0, 0, 0, 0, 7}
		for _, a := range []string{"172.30.1.200", "2001:db8:101::200", "10.99.0.1", "172.30.1.99", "2001:db8:101::99"} {
			pretend("pretends", netip.MustParseAddr(a), nobody)
		}
		pretend("as ann", ann.Addr(network, 4), ann.MAC())
		must(t, l, ask(build, 4), "wan2")
		must(t, l, ask(build, 6), "wan2")
		for _, c := range []wired{ann, web, ann} { // as keepalived moves it
			l.Host("sh", "-c", fmt.Sprintf("nsenter -t $(docker -H unix://%s inspect -f '{{.State.Pid}}' %s) -n sh -c 'ip addr add 172.30.1.250/32 dev eth0; ip neigh flush dev eth0'", l.DockerSocket(), c.Name))
			deadline := time.Now().Add(5 * time.Second)
			for r := (lab.Result{}); r.Server() != "wan2"; {
				if r = c.Client().DialFrom(netip.MustParseAddr("172.30.1.250"), "tcp", l.ClientAddr("wan2", 4), 7000); time.Now().After(deadline) {
					t.Fatalf("%s with the further address: %s", c.Name, r)
				}
			}
			l.Host("sh", "-c", fmt.Sprintf("nsenter -t $(docker -H unix://%s inspect -f '{{.State.Pid}}' %s) -n ip addr del 172.30.1.250/32 dev eth0", l.DockerSocket(), c.Name))
		}
	})
}

// claims sends an ARP request in the name of the address, and a neighbour
// advertisement or a datagram that says the same.
func claims(w *lab.Wire, a netip.Addr, mac net.HardwareAddr) {
	broadcast := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	if a.Is4() {
		w.Send(&layers.Ethernet{SrcMAC: mac, DstMAC: broadcast, EthernetType: layers.EthernetTypeARP},
			&layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4, Operation: layers.ARPRequest,
				SourceHwAddress: mac, SourceProtAddress: a.AsSlice(), DstHwAddress: make([]byte, 6), DstProtAddress: []byte{172, 30, 1, 1}})
		return
	}
	all := netip.MustParseAddr("ff02::1")
	ip := &layers.IPv6{Version: 6, HopLimit: 255, NextHeader: layers.IPProtocolICMPv6, SrcIP: a.AsSlice(), DstIP: all.AsSlice()}
	w.Send(&layers.Ethernet{SrcMAC: mac, DstMAC: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}, EthernetType: layers.EthernetTypeIPv6}, ip,
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0)},
		&layers.ICMPv6NeighborAdvertisement{Flags: 0x20, TargetAddress: a.AsSlice(), Options: layers.ICMPv6Options{{Type: layers.ICMPv6OptTargetAddress, Data: mac}}})
}

// TestClaimsAreNotBelieved: a restricted container claims the addresses of a
// neighbour and of a container on another network, by ARP, by advertisements and
// by packets. Neither is restricted, or cut off, by that.
func TestClaimsAreNotBelieved(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		one, two := six(l, 1), six(l, 2)
		bob, ann := wire(l, "bob", one), wire(l, "ann", one)
		far := l.RunContainer(lab.Spec{Name: "far", Network: two})
		l.Client("wan2").Serve("wan2", "tcp:7000")
		l.Agentd(escaping)
		mac := bridgeMAC(t, l, one)
		for _, family := range []int{4, 6} {
			victims := map[*lab.Container]netip.Addr{ann.Container: ann.Addr(one, family), far: far.Addr(two, family)}
			for c := range victims {
				must(t, l, lab.Ask{From: c.Client(), Proto: "tcp", Addr: l.ClientAddr("wan2", family), Port: 7000}, "wan2")
			}
			for c, a := range victims {
				for range 3 {
					claims(bob.Wire, a, bob.MAC())
					forgery{from: a, to: l.ClientAddr("wan2", family), fromMAC: bob.MAC(), toMAC: mac}.send(bob.Wire, "claim")
				}
				deadline := time.Now().Add(1500 * time.Millisecond)
				for time.Now().Before(deadline) {
					if r := c.Client().Dial("tcp", l.ClientAddr("wan2", family), 7000); r.Server() != "wan2" {
						t.Errorf("IPv%d: after bob claimed the address of %s: %s", family, c.Name, r)
						break
					}
				}
			}
		}
	})
}
