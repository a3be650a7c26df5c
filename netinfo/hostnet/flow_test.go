package hostnet

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// lab is a client, a router with a published port, and a container behind it:
//
//	client 192.0.2.2 ── 192.0.2.1 router 172.30.0.1 ── 172.30.0.2 container
//	  2001:db8::2 ──── 2001:db8::1        fd00::1 ──── fd00::2
type lab struct{ client, router, container netns.NsHandle }

func newLab(t *testing.T) lab {
	t.Helper()
	l := lab{router: newNetNS(t)}
	needNFTables(t)
	l.client = addNetNS(t)
	l.container = addNetNS(t)
	must(t, netns.Set(l.router))
	// Duplicate address detection would hold IPv6 back for two seconds.
	for _, ns := range []netns.NsHandle{l.client, l.router, l.container} {
		in(t, ns, func() { run(t, "", "sysctl", "-q", "-w", "net.ipv6.conf.default.accept_dad=0") })
	}
	l.attach(t, "wan0", l.client, "192.0.2", "2001:db8::")
	l.attach(t, "lan0", l.container, "172.30.0", "fd00::")
	run(t, "", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	restore(t, 4, "*nat\n-A PREROUTING -d 192.0.2.1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.30.0.2:80\nCOMMIT\n")
	restore(t, 4, "*mangle\n-A PREROUTING -p tcp -m tcp --dport 8080 -j CONNMARK --set-mark 7\nCOMMIT\n")
	restore(t, 6, "*nat\n-A PREROUTING -d 2001:db8::1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80\nCOMMIT\n")
	return l
}

// attach makes a veth pair between the router, as .1, and the namespace, as .2.
func (l lab) attach(t *testing.T, name string, ns netns.NsHandle, net4, net6 string) {
	t.Helper()
	ip(t, "link add "+name+" type veth peer name p"+name, "addr add "+net4+".1/24 dev "+name,
		"addr add "+net6+"1/64 dev "+name+" nodad", "link set "+name+" up")
	peer, err := netlink.LinkByName("p" + name)
	must(t, err)
	must(t, netlink.LinkSetNsFd(peer, int(ns)))
	in(t, ns, func() {
		ip(t, "addr add "+net4+".2/24 dev p"+name, "addr add "+net6+"2/64 dev p"+name+" nodad", "link set p"+name+" up",
			"route add default via "+net4+".1", "-6 route add default via "+net6+"1")
	})
}

// dialThrough connects from the client to the address, which the server in the
// container answers.
func (l lab) dialThrough(t *testing.T, family int, listen, from, to string) pair {
	t.Helper()
	var server int
	in(t, l.container, func() { server = bind(t, family, unix.SOCK_STREAM, listen, nil) })
	var p pair
	in(t, l.client, func() { p = connect(t, server, family, from, to) })
	return p
}

func tuple(src, dst string) Tuple {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return Tuple{Src: s.Addr(), Dst: d.Addr(), SrcPort: s.Port(), DstPort: d.Port()}
}

func flows(t *testing.T, family int, proto netinfo.Protocol) []Flow {
	t.Helper()
	all, err := ConnFlows(family)
	must(t, err)
	var some []Flow
	for _, f := range all {
		if f.Proto == proto {
			some = append(some, f)
		}
	}
	return some
}

func TestFlowsShowWhatWasPublished(t *testing.T) {
	l := newLab(t)
	l.dialThrough(t, unix.AF_INET, "172.30.0.2:80", "192.0.2.2:40001", "192.0.2.1:8080")
	l.dialThrough(t, unix.AF_INET6, "[fd00::2]:80", "[2001:db8::2]:40001", "[2001:db8::1]:8080")
	established := TCPFlow{State: 3}
	want := map[int]Flow{
		4: {Proto: netinfo.TCP, TCP: established, Mark: 7, Original: tuple("192.0.2.2:40001", "192.0.2.1:8080"),
			Reply: tuple("172.30.0.2:80", "192.0.2.2:40001")},
		6: {Proto: netinfo.TCP, TCP: established, Original: tuple("[2001:db8::2]:40001", "[2001:db8::1]:8080"),
			Reply: tuple("[fd00::2]:80", "[2001:db8::2]:40001")},
	}
	for _, family := range []int{4, 6} {
		got := flows(t, family, netinfo.TCP)
		ignore := cmpopts.IgnoreFields(Flow{}, "Status", "ID")
		if diff := cmp.Diff([]Flow{want[family]}, got, ignore, equalAddrs); diff != "" {
			t.Fatalf("IPv%d flows (-want +got):\n%s", family, diff)
		}
		if f := got[0]; !f.DestNATed() || f.SourceNATed() || !f.SeenReply() || !f.Assured() || f.ID == 0 {
			t.Errorf("IPv%d flow %+v: want destination NAT, replies, an ID", family, f)
		}
	}
}

func TestDeletedFlowIsGoneAndOthersStay(t *testing.T) {
	l := newLab(t)
	l.dialThrough(t, unix.AF_INET, "172.30.0.2:80", "192.0.2.2:40001", "192.0.2.1:8080")
	l.dialThrough(t, unix.AF_INET, "172.30.0.2:81", "192.0.2.2:40002", "172.30.0.2:81")
	l.dialThrough(t, unix.AF_INET6, "[fd00::2]:80", "[2001:db8::2]:40001", "[2001:db8::1]:8080")
	in(t, l.client, func() {
		ping(t, "172.30.0.2")
		ping(t, "fd00::2")
	})
	for _, c := range []struct {
		family int
		proto  netinfo.Protocol
		left   int
	}{{4, netinfo.TCP, 1}, {6, netinfo.TCP, 0}, {4, netinfo.ICMP, 0}, {6, netinfo.ICMPv6, 0}} {
		before := flows(t, c.family, c.proto)
		if len(before) != c.left+1 {
			t.Fatalf("IPv%d %v flows %+v, want %d", c.family, c.proto, before, c.left+1)
		}
		for _, f := range before {
			if c.left == 0 || f.DestNATed() {
				must(t, DeleteFlow(f))
				must(t, DeleteFlow(f)) // gone already: no error
			}
		}
		after := flows(t, c.family, c.proto)
		if len(after) != c.left {
			t.Errorf("IPv%d %v flows after deletion: %+v, want %d", c.family, c.proto, after, c.left)
		}
		if c.left == 1 && after[0].DestNATed() {
			t.Errorf("the wrong flow stayed: %+v", after[0])
		}
	}
}

// A newer connection of the same addresses is not the one that was judged.
func TestFlowIsDeletedByItsID(t *testing.T) {
	l := newLab(t)
	l.dialThrough(t, unix.AF_INET, "172.30.0.2:80", "192.0.2.2:40001", "192.0.2.1:8080")
	f := flows(t, 4, netinfo.TCP)[0]
	older := f
	older.ID++
	must(t, DeleteFlow(older))
	if got := flows(t, 4, netinfo.TCP); len(got) != 1 || got[0].ID != f.ID {
		t.Errorf("flows after deleting another ID: %+v", got)
	}
}

func TestFlowsOfAnEmptyNamespace(t *testing.T) {
	newNetNS(t)
	for _, family := range []int{4, 6} {
		if got, err := ConnFlows(family); err != nil || len(got) != 0 {
			t.Errorf("IPv%d: %v, %v", family, got, err)
		}
	}
}

// ping sends one echo request and waits for an answer.
func ping(t *testing.T, to string) {
	t.Helper()
	addr := netip.MustParseAddr(to)
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	// Echo request, ID 1; the sum of 0x0800 and 1, inverted.
	request := []byte{8, 0, 0xf7, 0xfe, 0, 1, 0, 0}
	if addr.Is6() {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
		request = []byte{128, 0, 0, 0, 0, 1, 0, 0} // the kernel makes the sum
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(patience.Seconds())}))
	must(t, unix.Connect(fd, sockaddr(family, netip.AddrPortFrom(addr, 0))))
	_, err = unix.Write(fd, request)
	must(t, err)
	if _, err := unix.Read(fd, make([]byte, 100)); err != nil {
		t.Fatalf("no answer from %s: %v", to, err)
	}
}
