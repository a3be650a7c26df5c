package lab

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Wire is a raw socket on one NIC of a place: it sends frames exactly as they are
// written, with whatever source they claim, and sees every frame that passes.
// What a container may do with CAP_NET_RAW, a Wire in its namespace does.
//
// It may be used by one goroutine at a time.
type Wire struct {
	lab *Lab
	fd  int
	mac net.HardwareAddr
}

// Wire opens a raw socket on the client's NIC. It is closed when the test ends.
func (c *Client) Wire(nic string) *Wire {
	t := c.lab.t
	t.Helper()
	w := &Wire{lab: c.lab}
	err := inNamespace(c.netns, func() error { return w.open(nic) })
	if err != nil {
		t.Fatalf("opening a raw socket on %s of %s: %v", nic, c.name, err)
	}
	t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

// inNamespace calls f on a thread that is in the network namespace.
func inNamespace(path string, f func() error) error {
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine: it is never unlocked.
		runtime.LockOSThread()
		ns, err := netns.GetFromPath(path)
		if err == nil {
			err = errors.Join(netns.Set(ns), ns.Close())
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	return <-done
}

func (w *Wire) open(nic string) error {
	link, err := net.InterfaceByName(nic)
	if err != nil {
		return err
	}
	w.mac = link.HardwareAddr
	if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(networkOrder(unix.ETH_P_ALL))); err != nil {
		return err
	}
	return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: link.Index})
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}

// MAC is the NIC's Ethernet address.
func (w *Wire) MAC() net.HardwareAddr { return w.mac }

// Send sends one frame, whose lengths and checksums are filled in. A transport
// layer's checksum takes its addresses from the IP layer before it.
func (w *Wire) Send(parts ...gopacket.SerializableLayer) {
	w.lab.t.Helper()
	if err := unix.Send(w.fd, w.frame(parts...), 0); err != nil {
		w.lab.t.Fatalf("sending a frame: %v", err)
	}
}

func (w *Wire) frame(parts ...gopacket.SerializableLayer) []byte {
	w.lab.t.Helper()
	var network gopacket.NetworkLayer
	for _, p := range parts {
		if n, ok := p.(gopacket.NetworkLayer); ok {
			network = n
		}
		if c, ok := p.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok && network != nil {
			if err := c.SetNetworkLayerForChecksum(network); err != nil {
				w.lab.t.Fatalf("writing a frame: %v", err)
			}
		}
	}
	buffer := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, parts...); err != nil {
		w.lab.t.Fatalf("writing a frame: %v", err)
	}
	return buffer.Bytes()
}

// Sees waits for a frame on the NIC, received or sent, that want accepts, and
// reports whether one came in time. Frames that came before the call count if the
// socket still holds them.
func (w *Wire) Sees(within time.Duration, want func(gopacket.Packet) bool) bool {
	w.lab.t.Helper()
	buffer := make([]byte, 1<<16)
	for deadline := time.Now().Add(within); ; {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		timeout := unix.NsecToTimeval(left.Nanoseconds())
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
			w.lab.t.Fatalf("receiving frames: %v", err)
		}
		n, _, err := unix.Recvfrom(w.fd, buffer, 0)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return false
		case errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENETDOWN):
			continue
		case err != nil:
			w.lab.t.Fatalf("receiving frames: %v", err)
		}
		if want(gopacket.NewPacket(buffer[:n], layers.LayerTypeEthernet, gopacket.Default)) {
			return true
		}
	}
}

// Receives is Sees for frames that came to the NIC from elsewhere and carry the
// payload, as UDP or TCP data.
func (w *Wire) Receives(within time.Duration, payload string) bool {
	w.lab.t.Helper()
	return w.Sees(within, func(p gopacket.Packet) bool {
		// Not the application's layer: a payload on port 53 need not be DNS.
		t, e := p.TransportLayer(), p.LinkLayer()
		return t != nil && e != nil && string(t.LayerPayload()) == payload && e.LinkFlow().Src().String() != w.mac.String()
	})
}

// Do calls f on a thread that is in the client's network namespace. Sockets that f
// opens stay there.
func (c *Client) Do(f func() error) {
	c.lab.t.Helper()
	if err := inNamespace(c.netns, f); err != nil {
		c.lab.t.Fatalf("in the network of %s: %v", c.name, err)
	}
}

// Datagram is one UDP datagram, from wherever it claims to come.
type Datagram struct {
	// To is the Ethernet address that the frame is for.
	To       net.HardwareAddr
	From     net.HardwareAddr // the sender's own where empty
	Src, Dst netip.AddrPort
	Payload  string
}

// SendUDP sends the datagram.
func (w *Wire) SendUDP(d Datagram) {
	w.lab.t.Helper()
	e := &layers.Ethernet{SrcMAC: d.From, DstMAC: d.To, EthernetType: layers.EthernetTypeIPv4}
	if len(d.From) == 0 {
		e.SrcMAC = w.mac
	}
	udp := &layers.UDP{SrcPort: layers.UDPPort(d.Src.Port()), DstPort: layers.UDPPort(d.Dst.Port())}
	if d.Src.Addr().Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: d.Src.Addr().AsSlice(), DstIP: d.Dst.Addr().AsSlice()}
		w.Send(e, ip, udp, gopacket.Payload(d.Payload))
		return
	}
	e.EthernetType = layers.EthernetTypeIPv6
	ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: d.Src.Addr().AsSlice(), DstIP: d.Dst.Addr().AsSlice()}
	w.Send(e, ip, udp, gopacket.Payload(d.Payload))
}
