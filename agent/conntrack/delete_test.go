package conntrack

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/test/nstest"
)

func TestDeletedFlowIsGoneAndOthersStay(t *testing.T) {
	l := newLab(t)
	l.DialThrough(t, unix.AF_INET, "172.30.0.2:80", "192.0.2.2:40001", "192.0.2.1:8080")
	l.DialThrough(t, unix.AF_INET, "172.30.0.2:81", "192.0.2.2:40002", "172.30.0.2:81")
	l.DialThrough(t, unix.AF_INET6, "[fd00::2]:80", "[2001:db8::2]:40001", "[2001:db8::1]:8080")
	nstest.In(t, l.Client, func() {
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
				nstest.Must(t, Delete(f))
				nstest.Must(t, Delete(f)) // gone already: no error
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
	l.DialThrough(t, unix.AF_INET, "172.30.0.2:80", "192.0.2.2:40001", "192.0.2.1:8080")
	f := flows(t, 4, netinfo.TCP)[0]
	older := f
	older.ID++
	nstest.Must(t, Delete(older))
	if got := flows(t, 4, netinfo.TCP); len(got) != 1 || got[0].ID != f.ID {
		t.Errorf("flows after deleting another ID: %+v", got)
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
	nstest.Must(t, err)
	defer unix.Close(fd)
	nstest.Must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}))
	nstest.Must(t, unix.Connect(fd, nstest.Sockaddr(family, netip.AddrPortFrom(addr, 0))))
	_, err = unix.Write(fd, request)
	nstest.Must(t, err)
	if _, err := unix.Read(fd, make([]byte, 100)); err != nil {
		t.Fatalf("no answer from %s: %v", to, err)
	}
}

// flows are the tracked connections of the protocol.
func flows(t *testing.T, family int, proto netinfo.Protocol) []hostnet.Flow {
	t.Helper()
	var some []hostnet.Flow
	nstest.Must(t, hostnet.EachFlow(family, func(f hostnet.Flow) {
		if f.Proto == proto {
			some = append(some, f)
		}
	}))
	return some
}
