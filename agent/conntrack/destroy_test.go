package conntrack

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
	"dockwall/test/nstest"
)

func TestDestroyTCPSocketsCutsJustTheMatching(t *testing.T) {
	nstest.New(t)
	server4 := nstest.Bind(t, unix.AF_INET, unix.SOCK_STREAM, "127.0.0.1:8080", nil)
	server6 := nstest.Bind(t, unix.AF_INET6, unix.SOCK_STREAM, "[::]:8081", nstest.Only6(false))
	cut4 := nstest.Connect(t, server4, unix.AF_INET, "127.0.0.1:40001", "127.0.0.1:8080")
	stay := nstest.Connect(t, server4, unix.AF_INET, "127.0.0.1:40002", "127.0.0.1:8080")
	cut6 := nstest.Connect(t, server6, unix.AF_INET6, "[::1]:40001", "[::1]:8081")
	mapped := nstest.Connect(t, server6, unix.AF_INET, "127.0.0.2:40001", "127.0.0.1:8081")

	var seen []netip.AddrPort
	n, err := DestroyTCPSockets(func(c hostnet.Connection) bool {
		if c.Remote.Port() != 40001 {
			return false
		}
		seen = append(seen, c.Local)
		return true
	})
	if errors.Is(err, ErrNoDestroy) {
		t.Skip(err)
	}
	nstest.Must(t, err)
	want := []netip.AddrPort{
		netip.MustParseAddrPort("127.0.0.1:8080"),
		netip.MustParseAddrPort("127.0.0.1:8081"), // an IPv6 socket's
		netip.MustParseAddrPort("[::1]:8081"),
	}
	sorted := cmpopts.SortSlices(func(a, b netip.AddrPort) bool { return a.Compare(b) < 0 })
	if diff := cmp.Diff(want, seen, sorted, cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Errorf("destroyed (-want +got):\n%s", diff)
	}
	if n != len(want) {
		t.Errorf("destroyed %d, want %d", n, len(want))
	}
	for name, c := range map[string]nstest.Pair{"IPv4": cut4, "IPv6": cut6, "mapped": mapped} {
		if _, err := unix.Write(c.Server, []byte("x")); err == nil {
			t.Errorf("the %s connection's server can still write", name)
		}
		if _, err := unix.Read(c.Client, make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("the %s connection's client reads %v, want ECONNRESET", name, err)
		}
	}
	if _, err := unix.Write(stay.Server, []byte("x")); err != nil {
		t.Errorf("the connection that should stay: %v", err)
	}
	if n, err := DestroyTCPSockets(func(c hostnet.Connection) bool { return c.Remote.Port() == 40001 }); n != 0 || err != nil {
		t.Errorf("the second time %d were destroyed, %v", n, err)
	}
}

func TestDestroyTCPSocketsLeavesListeners(t *testing.T) {
	nstest.New(t)
	nstest.Bind(t, unix.AF_INET, unix.SOCK_STREAM, "127.0.0.1:8080", nil)
	n, err := DestroyTCPSockets(func(hostnet.Connection) bool { return true })
	if errors.Is(err, ErrNoDestroy) {
		t.Skip(err)
	}
	if n != 0 || err != nil {
		t.Errorf("destroyed %d, %v", n, err)
	}
	if l, err := hostnet.Listeners(); err != nil || len(l) != 1 {
		t.Errorf("listeners after it: %v, %v", l, err)
	}
}
