package e2e_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gopacket/gopacket"

	"dockwall/test/lab"
)

// TestFramesThatAreNotRouted has a container that may not send to outside make an
// entry of connection tracking by frames that cross its bridge without being routed,
// or in an accomplice's name: no rule for what leaves the host judges them. By the
// entry the accomplice's packets would be answers, and the container's packets too.
// Without the agent the entry works, which shows that the test's packets are right.
func TestFramesThatAreNotRouted(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		s := newSpoofing(t, engine, "nft")
		neighbour := s.l.RunContainer(lab.Spec{Name: "neighbour", Network: s.net}).Client().Wire("eth0")
		s.l.Host("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1", "net.bridge.bridge-nf-call-ip6tables=1")
		gateway := s.gatewayMAC(s.dns)
		own := netip.AddrPortFrom(s.dns.Addr(s.net, 4), 5999)
		s.inDNS.SendUDP(lab.Datagram{To: neighbour.MAC(), Src: own, Dst: netip.AddrPortFrom(s.l.ClientAddr("wan2", 4), 5999), Payload: "seed"})
		time.Sleep(20 * time.Millisecond)
		// Docker 28 itself refuses what comes to a container's address from outside.
		if !s.harvest(own, 5999, "without the agent") && engine == outer[0] {
			t.Fatal("the frame made no entry that the accomplice could use: this test shows nothing")
		}
		s.l.Agentd(`defaults { egress = "deny" }`)
		port := uint16(6000)
		sent := map[string]string{}
		for _, f := range []int{4, 6} {
			for _, to := range []struct {
				name string
				mac  net.HardwareAddr
			}{
				{"a group", net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}},
				{"everybody", net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
				{"its neighbour", neighbour.MAC()},
				{"nobody", net.HardwareAddr{2, 0, 0, 0, 0, 9}},
				{"the gateway", gateway},
			} {
				for way := range 3 {
					port++
					what := s.unrouted(f, way, port, to.mac, gateway)
					sent[fmt.Sprint("answer ", port)] = fmt.Sprintf("IPv%d: %s to %s opens the container to a stranger", f, what, to.name)
					sent[fmt.Sprint("out ", port)] = fmt.Sprintf("IPv%d: after %s to %s the container sends to outside", f, what, to.name)
				}
			}
		}
		for _, w := range []*lab.Wire{s.inDNS, s.wan2} {
			w.Sees(gone, func(p gopacket.Packet) bool {
				if t, e := p.TransportLayer(), p.LinkLayer(); t != nil && e != nil && e.LinkFlow().Src().String() != w.MAC().String() {
					if text := sent[string(t.LayerPayload())]; text != "" {
						s.t.Error(text)
					}
				}
				return false
			})
		}
		s.l.WriteConfig(`defaults { egress = "allow" }`)
		s.until("a frame to pass by a container that routes for its neighbours", func(port uint16) bool {
			payload := fmt.Sprint("by the neighbour ", port)
			s.inDNS.SendUDP(lab.Datagram{To: neighbour.MAC(), Src: own, Dst: netip.AddrPortFrom(s.l.ClientAddr("wan2", 4), port), Payload: payload})
			return neighbour.Receives(gone, payload)
		})
	})
}

// unrouted sends a frame that may make an entry, an accomplice's answer by it, and what
// the container would send to the accomplice. It returns what the frame is.
func (s *spoofing) unrouted(f, way int, port uint16, to, gateway net.HardwareAddr) (what string) {
	own := netip.AddrPortFrom(s.dns.Addr(s.net, f), port)
	peer := netip.AddrPortFrom(s.l.ClientAddr("wan2", f), port)
	seed := lab.Datagram{To: to, Src: own, Dst: peer, Payload: "seed"}
	switch way {
	case 0:
		what = "a frame"
	case 1:
		what, seed.Src, seed.Dst = "a frame in the stranger's name", peer, own
	case 2:
		what, seed.Src = "a frame in the stranger's name for the published port", peer
		seed.Dst = netip.AddrPortFrom(s.l.HostAddr("eth0", f), 8053)
		own = netip.AddrPortFrom(own.Addr(), 54)
	}
	if !(way == 0 && to.String() == gateway.String()) { // that is plain egress
		s.inDNS.SendUDP(seed)
		time.Sleep(20 * time.Millisecond)
	}
	s.wan2.SendUDP(lab.Datagram{To: s.host.MAC(), Src: peer, Dst: own, Payload: fmt.Sprint("answer ", port)})
	s.inDNS.SendUDP(lab.Datagram{To: gateway, Src: own, Dst: peer, Payload: fmt.Sprint("out ", port)})
	return what
}
