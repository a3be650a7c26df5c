package e2e_test

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"dockwall/test/lab"
)

const (
	// gone is how long a packet is waited for that must not come.
	gone = 400 * time.Millisecond
	// soon is how long one is waited for that must.
	soon = 3 * time.Second
)

// spoofing is a host with containers of both families, a stranger with two places
// on the wire, and the raw sockets that the stranger uses.
type spoofing struct {
	t           *testing.T
	l           *lab.Lab
	net         string
	dns, other  *lab.Container
	wan, wan2   *lab.Wire
	host, inDNS *lab.Wire
}

func newSpoofing(t *testing.T, engine, variant string) *spoofing {
	s := &spoofing{t: t, l: lab.New(t, lab.Options{Engine: engine, Variant: variant})}
	l := s.l
	s.net = six(l, 1)
	s.dns = l.RunContainer(lab.Spec{Name: "dns", Network: s.net, Publish: []string{"8053:54/udp"}, Listen: "udp:53,udp:54,tcp:80"})
	s.other = l.RunContainer(lab.Spec{Name: "other", Network: six(l, 2), Listen: "udp:53"})
	s.wan, s.wan2 = l.Client("wan").Wire("eth0"), l.Client("wan2").Wire("eth0")
	s.host, s.inDNS = l.Client("host").Wire("eth0"), s.dns.Client().Wire("eth0")
	return s
}

// seed has the stranger send one datagram in another's name to wan2, by way of the
// host: connection tracking takes it for that other's.
func (s *spoofing) seed(src netip.AddrPort, port uint16) {
	to := netip.AddrPortFrom(s.l.ClientAddr("wan2", family(src.Addr())), port)
	s.wan.SendUDP(lab.Datagram{To: s.host.MAC(), Src: src, Dst: to, Payload: "seed"})
	time.Sleep(20 * time.Millisecond)
}

// harvest has wan2 send the "answer" to an address of the host's or the container's,
// and reports whether the container gets it.
func (s *spoofing) harvest(dst netip.AddrPort, port uint16, payload string) bool {
	from := netip.AddrPortFrom(s.l.ClientAddr("wan2", family(dst.Addr())), port)
	s.wan2.SendUDP(lab.Datagram{To: s.host.MAC(), Src: from, Dst: dst, Payload: payload})
	return s.inDNS.Receives(gone, payload)
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// TestSeededConnections has a stranger send packets in the name of a container, or
// of the host, so that connection tracking takes what he sends next for an answer.
// Without the agent that works, which shows that the test's packets are right.
func TestSeededConnections(t *testing.T) {
	for variant, engines := range map[string][]string{"nft": wanted[:], "legacy": wanted[:1]} {
		t.Run(variant, func(t *testing.T) {
			onEngines(t, engines, func(t *testing.T, engine string) {
				s := newSpoofing(t, engine, variant)
				l := s.l
				masqueraded := func(src netip.AddrPort, port uint16) netip.AddrPort {
					return netip.AddrPortFrom(l.HostAddr("eth0", family(src.Addr())), src.Port())
				}
				dns4 := netip.AddrPortFrom(s.dns.Addr(s.net, 4), 53)
				s.seed(dns4, 4001)
				if !s.harvest(masqueraded(dns4, 4001), 4001, "without the agent") {
					t.Fatal("the forged packet made no entry that the stranger could use: this test shows nothing")
				}
				l.Agentd("# no policy\n")
				port := uint16(5000)
				for _, f := range []int{4, 6} {
					own := netip.AddrPortFrom(s.dns.Addr(s.net, f), 53)
					for _, dst := range []netip.AddrPort{own, masqueraded(own, 0)} {
						port++
						s.seed(own, port)
						if s.harvest(dst, port, "as an answer to the container") {
							t.Errorf("IPv%d: by a packet in the container's name the stranger reaches it at %v", f, dst)
						}
					}
					// docker-proxy's end on the host.
					port++
					host := netip.AddrPortFrom(l.HostAddr("eth0", f), 8053)
					s.seed(host, port)
					if s.harvest(host, port, "as an answer to the host") {
						t.Errorf("IPv%d: by a packet in the host's name the stranger reaches what the container publishes", f)
					}
				}
				s.betweenNetworks()
				s.honest()
			})
		})
	}
}

// betweenNetworks has a container send in the name of one of another network, and of
// the gateway.
func (s *spoofing) betweenNetworks() {
	s.t.Helper()
	thief := s.other.Client().Wire("eth0")
	for _, f := range []int{4, 6} {
		gateway := s.gatewayMAC(s.other)
		for name, src := range map[string]netip.Addr{"a container of another network": s.dns.Addr(s.net, f), "the host": s.l.HostAddr("eth0", f)} {
			payload := "in the name of " + name
			thief.SendUDP(lab.Datagram{To: gateway, Src: netip.AddrPortFrom(src, 53),
				Dst: netip.AddrPortFrom(s.l.ClientAddr("wan2", f), 4100), Payload: payload})
			if s.wan2.Receives(gone, payload) {
				s.t.Errorf("IPv%d: a container sends to outside in the name of %s", f, name)
			}
		}
	}
}

// gatewayMAC is where a container sends what leaves its network.
func (s *spoofing) gatewayMAC(c *lab.Container) net.HardwareAddr {
	return gatewayMAC(s.t, s.l, c)
}

func gatewayMAC(t *testing.T, l *lab.Lab, c *lab.Container) net.HardwareAddr {
	t.Helper()
	w := c.Client().Wire("eth0")
	var mac net.HardwareAddr
	to := l.ClientAddr("wan", 4)
	c.Client().Dial("udp", to, 9)
	if !w.Sees(soon, func(p gopacket.Packet) bool {
		e, _ := p.LinkLayer().(*layers.Ethernet)
		// Only what was dialled: a container also sends multicast listener reports and
		// router solicitations, to group addresses. Linux forwards no such frame.
		ip, _ := p.NetworkLayer().(*layers.IPv4)
		if e != nil && ip != nil && e.SrcMAC.String() == w.MAC().String() && ip.DstIP.Equal(to.AsSlice()) {
			mac = e.DstMAC
		}
		return mac != nil
	}) {
		t.Fatal("the container sends nothing to its gateway")
	}
	return mac
}

// honest are packets that look odd and must pass: sources that are routed elsewhere,
// egress and its answers, and what the host says to a group and hears itself.
func (s *spoofing) honest() {
	s.t.Helper()
	l := s.l
	l.WriteConfig(`published "dns" { from = ["any"] }`)
	for _, f := range []int{4, 6} {
		must(s.t, l, lab.Ask{From: l.Client("wan"), Proto: "udp", Addr: l.HostAddr("eth0", f), Port: 8053}, "dns")
		// lan's address is routed by eth1, and this comes by eth0.
		payload := "from lan by the other uplink"
		s.wan.SendUDP(lab.Datagram{To: s.host.MAC(), Src: netip.AddrPortFrom(l.ClientAddr("lan", f), 4200),
			Dst: netip.AddrPortFrom(l.HostAddr("eth0", f), 8053), Payload: payload})
		if !s.inDNS.Receives(soon, payload) && f == 4 {
			s.t.Errorf("IPv%d: a source that is routed elsewhere does not pass", f)
		}
		l.Client("wan").Serve("wan-"+string(rune('0'+f)), map[int]string{4: "udp4:4300", 6: "udp6:4300"}[f])
		must(s.t, l, lab.Ask{From: s.dns.Client(), Proto: "udp", Addr: l.ClientAddr("wan", f), Port: 4300}, "wan-"+string(rune('0'+f)))
	}
	l.Client("host").Do(func() error {
		nic, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		group := &net.UDPAddr{IP: net.IPv4(239, 1, 2, 3), Port: 4400}
		in, err := net.ListenMulticastUDP("udp4", nic, group)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err := net.DialUDP("udp4", &net.UDPAddr{IP: l.HostAddr("eth0", 4).AsSlice()}, group)
		if err != nil {
			return err
		}
		defer out.Close()
		if _, err := out.Write([]byte("to the group")); err != nil {
			return err
		}
		if err := in.SetReadDeadline(time.Now().Add(soon)); err != nil {
			return err
		}
		_, _, err = in.ReadFromUDP(make([]byte, 100))
		return err
	})
}

// TestGatewaysNameUnderIsolation has a container of an isolated network use an entry
// of its neighbour's and the host's: it sends in the gateway's name.
func TestGatewaysNameUnderIsolation(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		net := six(l, 1)
		// Nothing serves its port 53: two servers of UDP would answer each other for ever.
		victim := l.RunContainer(lab.Spec{Name: "victim", Network: net, Listen: "tcp:80"})
		thief := l.RunContainer(lab.Spec{Name: "thief", Network: net})
		l.Client("host").Serve("host", "udp:7000")
		l.Agentd(`defaults { between = "deny" }`)
		at, from := victim.Client().Wire("eth0"), thief.Client().Wire("eth0")
		for _, f := range []int{4, 6} {
			a := victim.Addr(net, f)
			gateway := a.Prev()
			for gateway.Prev().As16()[15] != 0 {
				gateway = gateway.Prev()
			}
			if r := victim.Client().Dial("udp", gateway, 7000); !r.OK {
				t.Fatalf("IPv%d: the container does not reach the host: %s", f, r)
			}
			// The same entry, as by a query from port 53.
			at.SendUDP(lab.Datagram{To: gatewayMAC(t, l, victim), Src: netip.AddrPortFrom(a, 53), Dst: netip.AddrPortFrom(gateway, 7000), Payload: "query"})
			time.Sleep(50 * time.Millisecond)
			from.SendUDP(lab.Datagram{To: at.MAC(), Src: netip.AddrPortFrom(gateway, 7000), Dst: netip.AddrPortFrom(a, 53), Payload: "as the gateway"})
			if at.Receives(gone, "as the gateway") {
				t.Errorf("IPv%d: a neighbour reaches an isolated container in the gateway's name", f)
			}
		}
	})
}

// TestVMsOnAWire has two machines on a bridge that the host only connects use the
// addresses of a Docker network, and one of the host's: br_netfilter shows their
// frames to the rules, which must let them be.
func TestVMsOnAWire(t *testing.T) {
	onEngines(t, wanted[2:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
		l.Host("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
		l.Bridge("vmbr7")
		l.PlugVM("vm1", "vmbr7", netip.MustParsePrefix("172.17.9.9/1")).Serve("vm1", "tcp:80")
		vm2 := l.PlugVM("vm2", "vmbr7", netip.MustParsePrefix("192.0.2.1/1"))
		l.Agentd(`defaults { between = "deny" }`)
		must(t, l, lab.Ask{From: vm2, Proto: "tcp", Addr: netip.MustParseAddr("172.17.9.9"), Port: 80}, "vm1")
	})
}
