package lab_test

import (
	"net"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"dockwall/test/lab"
)

// TestWire sends a frame by hand, with a source that no host has, and sees it
// arrive; and a datagram that a server answers.
func TestWire(t *testing.T) {
	l := lab.New(t, lab.Options{NoDocker: true})
	wan, host := l.Client("wan").Wire("eth0"), l.Client("host").Wire("eth0")
	l.Client("host").Serve("host", "udp:7000")
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP,
		SrcIP: net.IPv4(203, 0, 113, 9), DstIP: l.HostAddr("eth0", 4).AsSlice()}
	udp := &layers.UDP{SrcPort: 1, DstPort: 7000}
	frame := &layers.Ethernet{SrcMAC: wan.MAC(), DstMAC: host.MAC(), EthernetType: layers.EthernetTypeIPv4}
	wan.Send(frame, ip, udp, gopacket.Payload("forged"))
	if !host.Receives(2*time.Second, "forged") {
		t.Fatal("the host did not see the frame")
	}
	ip.SrcIP = l.ClientAddr("wan", 4).AsSlice()
	wan.Send(frame, ip, udp, gopacket.Payload("honest"))
	answered := wan.Sees(2*time.Second, func(p gopacket.Packet) bool {
		u, ok := p.TransportLayer().(*layers.UDP)
		return ok && u.SrcPort == 7000
	})
	if !answered {
		t.Fatal("the server did not answer the frame")
	}
}
