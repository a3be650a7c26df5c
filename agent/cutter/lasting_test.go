package cutter

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/hashicorp/go-hclog"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"dockwall/agent/conntrack"
	"dockwall/agent/kernel"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
)

// cutForGood is cut with a barrier.
func (w *realTown) cutForGood(rs rules.Ruleset, s netinfo.Snapshot) Result {
	w.t.Helper()
	r, _, err := w.barred().cut(w.t.Context(), ask{rs: rs, s: s}, trail{}, nil)
	must(w.t, err)
	w.t.Logf("%+v", r)
	return r
}

func (w *realTown) barred() *Cutter { return New(hclog.NewNullLogger()).With(&kernel.Barrier{}) }

// reset sends a RST in the name of one end of a connection, with a TTL that does
// not reach the other end.
func (w *realTown) reset(x *pair, fromClient bool) {
	w.t.Helper()
	ns, conn := w.client, x.client
	if !fromClient {
		ns, conn = w.web, x.server
	}
	src, dst := netip.MustParseAddrPort(conn.LocalAddr().String()), netip.MustParseAddrPort(conn.RemoteAddr().String())
	tcp := &layers.TCP{SrcPort: layers.TCPPort(src.Port()), DstPort: layers.TCPPort(dst.Port()), RST: true, Seq: sequence(w.t, conn)}
	w.in(ns, func() { w.raw(src.Addr(), dst.Addr(), tcp) })
}

// sequence is the sequence number of the next byte that the socket sends.
func sequence(t *testing.T, c net.Conn) uint32 {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	must(t, err)
	var next int
	must(t, raw.Control(func(fd uintptr) {
		const on, off, sendQueue = 1, 0, 2
		must(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, on))
		must(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR_QUEUE, sendQueue))
		next, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_QUEUE_SEQ)
		must(t, err)
		must(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_REPAIR, off))
	}))
	return uint32(next)
}

// raw sends a TCP segment that the host sees, and does not forward.
func (w *realTown) raw(src, dst netip.Addr, tcp *layers.TCP) {
	w.t.Helper()
	family, to := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: dst.As16()})
	var ip gopacket.SerializableLayer
	if src.Is4() {
		v4 := &layers.IPv4{Version: 4, TTL: 1, Protocol: layers.IPProtocolTCP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		must(w.t, tcp.SetNetworkLayerForChecksum(v4))
		ip, family, to = v4, unix.AF_INET, &unix.SockaddrInet4{Addr: dst.As4()}
	} else {
		v6 := &layers.IPv6{Version: 6, HopLimit: 1, NextHeader: layers.IPProtocolTCP, SrcIP: src.AsSlice(), DstIP: dst.AsSlice()}
		must(w.t, tcp.SetNetworkLayerForChecksum(v6))
		ip = v6
	}
	buffer := gopacket.NewSerializeBuffer()
	must(w.t, gopacket.SerializeLayers(buffer, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, tcp))
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	must(w.t, err)
	defer unix.Close(fd)
	must(w.t, unix.Sendto(fd, buffer.Bytes(), 0, to))
}

// pair is a TCP connection's two sockets.
type pair struct{ client, server net.Conn }

func (w *realTown) pair(listen, to string) *pair {
	w.t.Helper()
	x := &pair{}
	var l net.Listener
	var err error
	w.in(w.web, func() { l, err = net.Listen("tcp", listen) })
	must(w.t, err)
	defer l.Close()
	w.in(w.client, func() { x.client, err = net.DialTimeout("tcp", to, 5*time.Second) })
	must(w.t, err)
	x.server, err = l.Accept()
	must(w.t, err)
	return x
}

// A TCP connection that was cut stays dead, whichever side forges a RST that the
// other one does not get. Both sides send all the time.
func TestCutOutlivesForgedResets(t *testing.T) {
	for _, fromClient := range []bool{true, false} {
		w := newRealTown(t)
		w.enforce()
		pairs := []*pair{w.pair("172.17.0.2:9000", "192.0.2.1:9000"), w.pair("[fd17::2]:9000", "[2001:db8:1::1]:9000")}
		var talks []*talk
		for _, x := range pairs {
			talks = append(talks, w.chat(x.client, x.server))
		}
		w.policy.Published = nil
		w.cutForGood(w.enforce())
		for i, x := range pairs {
			w.reset(x, fromClient)
			if talks[i].flows() {
				t.Errorf("forged by the client %v: %s goes on", fromClient, x.client.RemoteAddr())
			}
		}
	}
}

// A RST that was forged before the cut has the kernel take the connection for
// closed; the two sides do not.
func TestCutOfWhatLooksClosed(t *testing.T) {
	// On a busy machine the RST may be late, and end the connection by itself.
	for range 3 {
		w := newRealTown(t)
		w.enforce()
		x := w.pair("172.17.0.2:9000", "192.0.2.1:9000")
		talk := w.chat(x.client, x.server)
		w.reset(x, true)
		w.policy.Published = nil
		rs, s := w.enforce()
		if !talk.flows() {
			continue
		}
		w.reset(x, true)
		w.cutForGood(rs, s)
		if talk.flows() {
			t.Error("the connection goes on")
		}
		return
	}
	t.Fatal("the RST alone ended it each time; this test cannot fail")
}

// What another program flushes is closed again by the next pass.
func TestBarrierComesBack(t *testing.T) {
	w := newRealTown(t)
	w.enforce()
	w.inbound()
	w.policy.Published = nil
	rs, s := w.enforce()
	c := w.barred()
	_, err := c.Cut(t.Context(), rs, s)
	must(t, err)
	command(t, "", "nft", "delete", "table", "inet", kernel.BarrierTable)
	_, err = c.Cut(t.Context(), rs, s)
	must(t, err)
	out, err := exec.Command("nft", "-n", "list", "table", "inet", kernel.BarrierTable).Output()
	must(t, err)
	if got := strings.Count(string(out), "expires"); got < 8 {
		t.Errorf("closed again are %d directions:\n%s", got, out)
	}
}

// The barrier does what freezing and diverting do: see TestCutWhileBothSidesSend.
func TestCutForGood(t *testing.T) {
	w := newRealTown(t)
	w.enforce()
	talks := w.inbound()
	others := map[string]*talk{
		"ssh":    w.tcp(w.client, w.host, "192.0.2.1:22", "192.0.2.1:22"),
		"egress": w.tcp(w.web, w.client, "192.0.2.10:443", "192.0.2.10:443"),
		"lookup": w.udp(w.web, w.client, "192.0.2.10:53", "192.0.2.10:53"),
	}
	w.policy.Published = nil
	rs, s := w.enforce()
	w.cutForGood(rs, s)
	for name, x := range talks {
		if x.flows() {
			t.Errorf("%s goes on", name)
		}
	}
	for name, x := range others {
		if !x.flows() {
			t.Errorf("%s, which is allowed, ended", name)
		}
	}
}

// forget deletes every entry of the connection table.
func (w *realTown) forget() {
	w.t.Helper()
	for _, family := range []int{4, 6} {
		flows, err := hostnet.ConnFlows(family)
		must(w.t, err)
		for _, f := range flows {
			must(w.t, conntrack.Delete(f))
		}
	}
}

// A datagram that the server sends long after the cut brings nothing back.
func TestCutOutlivesLateDatagrams(t *testing.T) {
	w := newRealTown(t)
	command(t, "", "sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=1", "net.netfilter.nf_conntrack_udp_timeout_stream=1")
	w.enforce()
	talks := map[string]*talk{
		"DNAT, IPv4":  w.udp(w.client, w.web, "172.17.0.2:9000", "192.0.2.1:9000"),
		"DNAT, IPv6":  w.udp(w.client, w.web, "[fd17::2]:9000", "[2001:db8:1::1]:9000"),
		"proxy, IPv4": w.udp(w.client, w.host, "192.0.2.1:9001", "192.0.2.1:9001"),
		"proxy, IPv6": w.udp(w.client, w.host, "[2001:db8:1::1]:9001", "[2001:db8:1::1]:9001"),
	}
	loose := w.policy
	w.policy.Published = nil
	rs, s := w.enforce()
	c := w.barred()
	_, err := c.Cut(t.Context(), rs, s)
	must(t, err)
	w.forget() // as their timeouts do, after 30 seconds
	for name, x := range talks {
		if x.flows() {
			t.Errorf("%s goes on", name)
		}
	}
	// Allowed again, the same addresses and ports work at once, also when only the
	// server speaks.
	w.policy = loose
	rs, s = w.enforce()
	_, _, err = c.cut(t.Context(), ask{rs: rs, s: s, reopen: true}, trail{}, nil)
	must(t, err)
	for name, x := range talks {
		if !x.flows() {
			t.Errorf("%s is allowed again, and does not go on", name)
		}
	}
	if len(c.gate.closed) > 0 {
		t.Errorf("still closed: %v", c.gate.closed)
	}
}

// A new connection from the client's old port is judged by itself.
func TestSamePortAfterCut(t *testing.T) {
	w := newRealTown(t)
	w.enforce()
	x := w.pair("172.17.0.2:9000", "192.0.2.1:9000")
	old := w.policy
	w.policy.Published = nil
	w.cutForGood(w.enforce())
	must(t, x.client.(*net.TCPConn).SetLinger(0))
	must(t, x.client.Close())
	must(t, x.server.(*net.TCPConn).SetLinger(0))
	must(t, x.server.Close())
	w.policy = old
	w.enforce()
	var l net.Listener
	var c net.Conn
	var err error
	w.in(w.web, func() { l, err = net.Listen("tcp", "172.17.0.2:9000") })
	must(t, err)
	defer l.Close()
	d := net.Dialer{Timeout: 5 * time.Second, LocalAddr: x.client.LocalAddr()}
	w.in(w.client, func() { c, err = d.Dial("tcp", "192.0.2.1:9000") })
	must(t, err)
	s, err := l.Accept()
	must(t, err)
	if !w.chat(c, s).flows() {
		t.Error("a new connection of the same addresses and ports does not work")
	}
}

// The first cut after a time without rules ends what a false source may have made,
// as soon as the containers are known; later ones do not.
func TestFirstCutEndsSeeds(t *testing.T) {
	w := newRealTown(t)
	rs, s := w.enforce()
	c := w.barred()
	seed := func() {
		table, err := conntrack.Open()
		must(t, err)
		defer table.Close()
		// As a packet from outside in the name of the container makes it.
		must(t, table.Divert(netinfo.UDP, netip.MustParseAddrPort("172.17.0.2:53"), netip.MustParseAddrPort("192.0.2.10:5000"), netip.MustParseAddrPort("192.0.2.1:53")))
	}
	left := func() (n int) {
		must(t, hostnet.EachFlow(4, func(f hostnet.Flow) {
			if f.Original.DstPort == 5000 {
				n++
			}
		}))
		return n
	}
	seed()
	unknown := s
	unknown.Engine.Known = false
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: the thread ends here
		if err := netns.Set(w.host); err != nil {
			t.Error(err)
			return
		}
		c.Run(ctx)
	}()
	defer func() { stop(); <-done }()
	c.AskFirst(rs, unknown)
	time.Sleep(3 * calm)
	if left() != 1 {
		t.Error("the seed ended before the containers were known")
	}
	c.Ask(rs, s)
	for deadline := time.Now().Add(5 * time.Second); left() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the seed stays")
		}
	}
	time.Sleep(3 * calm)
	seed()
	c.Ask(rs, s)
	time.Sleep(5 * calm)
	if left() != 1 {
		t.Error("a later cut ended what may be a container's own")
	}
	// Only the seeds of what is claimed for the first time end.
	c.AskClaimed(rs, s, []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24")})
	time.Sleep(5 * calm)
	if left() != 1 {
		t.Error("a claim of other addresses ended what may be a container's own")
	}
	c.AskClaimed(rs, s, []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")})
	for deadline := time.Now().Add(5 * time.Second); left() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the seed of a network that was just made stays")
		}
	}
}
