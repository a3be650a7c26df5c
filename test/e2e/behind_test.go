package e2e_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"dockwall/test/lab"
)

// behindVPN returns the address of a VPN's client of the family, and the VPN's
// prefix, to which the host has a route by the container's address.
func behindVPN(f int) (client netip.Addr, prefix string) {
	if f == 4 {
		return netip.MustParseAddr("10.8.0.5"), "10.8.0.0/24"
	}
	return netip.MustParseAddr("fd08::5"), "fd08::/64"
}

// route has the host reach the VPN's clients by the container.
func (s *spoofing) route(verb string, f int, by ...string) {
	s.t.Helper()
	_, prefix := behindVPN(f)
	args := []string{"ip", fmt.Sprintf("-%d", f), "route", verb, prefix}
	if by == nil {
		by = []string{"via", s.dns.Addr(s.net, f).String()}
	}
	s.l.Host(append(args, by...)...)
}

// TestForgedSourceBehindAContainer has a stranger send as a client of a VPN whose
// server is a container. Without the agent that opens the client to him, which shows
// that the test's packets are right.
func TestForgedSourceBehindAContainer(t *testing.T) {
	for variant, engines := range map[string][]string{"nft": outer, "legacy": outer[:1]} {
		t.Run(variant, func(t *testing.T) {
			onEngines(t, engines, func(t *testing.T, engine string) { forgeBehind(newSpoofing(t, engine, variant)) })
		})
	}
}

func forgeBehind(s *spoofing) {
	s.t.Helper()
	for _, f := range []int{4, 6} {
		// A packet that waits for neighbour discovery may be lost on a busy machine.
		s.l.Host("ip", "neigh", "replace", s.l.ClientAddr("wan2", f).String(), "lladdr", s.wan2.MAC().String(), "dev", "eth0", "nud", "permanent")
		client, _ := behindVPN(f)
		s.dns.Client().Do(func() error {
			return exec.Command("ip", "addr", "add", netip.PrefixFrom(client, client.BitLen()).String(), "dev", "lo").Run()
		})
	}
	s.route("add", 4)
	client4, _ := behindVPN(4)
	s.seed(netip.AddrPortFrom(client4, 53), 4001)
	if !s.harvest(netip.AddrPortFrom(client4, 53), 4001, "without the agent") {
		s.t.Fatal("the forged packet made no entry that the stranger could use: this test shows nothing")
	}
	s.l.Agentd("# no policy\n")
	s.route("add", 6) // while the agent runs
	for _, f := range []int{4, 6} {
		s.refusedBehind(f)
		s.honestBehind(f)
	}
	// A second route, as of a tunnel of the host's own that is the backup.
	s.route("add", 4, "via", s.l.ClientAddr("wan", 4).String(), "metric", "500")
	s.until("a packet from the VPN by the backup to pass", func(port uint16) bool {
		payload := fmt.Sprint("by the backup ", port)
		s.wan.SendUDP(lab.Datagram{To: s.host.MAC(), Src: netip.AddrPortFrom(client4, 53),
			Dst: netip.AddrPortFrom(s.l.ClientAddr("wan2", 4), port), Payload: payload})
		return s.wan2.Receives(gone, payload)
	})
}

// until calls f with another port each time until it returns true.
func (s *spoofing) until(what string, f func(port uint16) bool) {
	s.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for port := uint16(20000); !f(port); port++ {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited 10 s for %s", what)
		}
	}
}

// refusedBehind has the stranger, and a container of another network, send as the
// client.
func (s *spoofing) refusedBehind(f int) {
	s.t.Helper()
	client, _ := behindVPN(f)
	forged := netip.AddrPortFrom(client, 53)
	s.until(fmt.Sprintf("IPv%d: a forged packet to open nothing", f), func(port uint16) bool {
		s.seed(forged, port)
		return !s.harvest(forged, port, fmt.Sprint("as an answer to the client ", port))
	})
	payload := fmt.Sprintf("from another network, IPv%d", f)
	s.other.Client().Wire("eth0").SendUDP(lab.Datagram{To: s.gatewayMAC(s.other), Src: forged,
		Dst: netip.AddrPortFrom(s.l.ClientAddr("wan2", f), 4100), Payload: payload})
	if s.wan2.Receives(gone, payload) {
		s.t.Errorf("IPv%d: a container of another network sends as the client", f)
	}
}

// honestBehind has the client send, and get the answer.
func (s *spoofing) honestBehind(f int) {
	s.t.Helper()
	client, _ := behindVPN(f)
	peer := netip.AddrPortFrom(s.l.ClientAddr("wan2", f), 4700)
	payload := fmt.Sprintf("from the client, IPv%d", f)
	s.inDNS.SendUDP(lab.Datagram{To: s.gatewayMAC(s.dns), Src: netip.AddrPortFrom(client, 4800), Dst: peer, Payload: payload})
	if !s.wan2.Receives(soon, payload) {
		s.t.Errorf("IPv%d: the client's packet does not pass", f)
	}
	if !s.harvest(netip.AddrPortFrom(client, 4800), peer.Port(), payload+", the answer") {
		s.t.Errorf("IPv%d: the answer does not reach the client", f)
	}
}
