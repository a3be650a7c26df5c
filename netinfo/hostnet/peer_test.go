package hostnet

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

// converse opens a connection from one address to a listener, and accepts it.
func converse(t *testing.T, listener, family int, from, to string) {
	t.Helper()
	client := nstest.Open(t, family, unix.SOCK_STREAM)
	nstest.Must(t, unix.Bind(client, nstest.Sockaddr(family, netip.MustParseAddrPort(from))))
	nstest.Must(t, unix.Connect(client, nstest.Sockaddr(family, netip.MustParseAddrPort(to))))
	server, _, err := unix.Accept(listener)
	nstest.Must(t, err)
	t.Cleanup(func() { nstest.Must(t, unix.Close(server)) })
}

// Whoever is connected to the ports is seen, by either family and through an
// IPv6 socket that serves both; who is connected to others is not.
func TestPeers(t *testing.T) {
	nstest.New(t)
	nstest.IP(t, "addr add 192.0.2.7/32 dev lo", "addr add 2001:db8::7/128 dev lo nodad")
	api := nstest.Bind(t, unix.AF_INET6, unix.SOCK_STREAM, "[::]:2375", nstest.Only6(false))
	other := nstest.Bind(t, unix.AF_INET, unix.SOCK_STREAM, "0.0.0.0:8080", nil)
	converse(t, api, unix.AF_INET, "192.0.2.7:0", "127.0.0.1:2375")
	converse(t, api, unix.AF_INET6, "[2001:db8::7]:0", "[::1]:2375")
	converse(t, other, unix.AF_INET, "192.0.2.7:0", "127.0.0.1:8080")
	got, err := Peers([]uint16{2375, 2376})
	nstest.Must(t, err)
	want := []Peer{
		{netip.MustParseAddrPort("127.0.0.1:2375"), netip.MustParseAddr("192.0.2.7")},
		{netip.MustParseAddrPort("[::1]:2375"), netip.MustParseAddr("2001:db8::7")},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{})); diff != "" {
		t.Errorf("peers (-want +got):\n%s", diff)
	}
	none, err := Peers([]uint16{2376})
	nstest.Must(t, err)
	if len(none) > 0 {
		t.Errorf("nobody is connected to 2376, but there are %v", none)
	}
}

// Of what connection tracking knows, only connections that came about count.
func TestPeerOfFlow(t *testing.T) {
	good := Flow{Proto: netinfo.TCP, Status: statusSeenReply | statusAssured,
		Original: Tuple{Src: netip.MustParseAddr("198.51.100.7"), Dst: netip.MustParseAddr("192.0.2.1"), SrcPort: 40000, DstPort: 2375}}
	want := Peer{netip.MustParseAddrPort("192.0.2.1:2375"), netip.MustParseAddr("198.51.100.7")}
	if got, ok := good.peer([]uint16{2375}); !ok || got != want {
		t.Errorf("%+v is %v, %v; want %v", good, got, ok, want)
	}
	changes := []func(*Flow){
		func(f *Flow) { f.Proto = netinfo.UDP },
		func(f *Flow) { f.Status = statusSeenReply },
		func(f *Flow) { f.Status |= statusDestNAT },
		func(f *Flow) { f.TCP.Midstream = true },
		func(f *Flow) { f.Original.SrcPort, f.Original.DstPort = f.Original.DstPort, f.Original.SrcPort },
	}
	for i, change := range slices.All(changes) {
		f := good
		change(&f)
		if got, ok := f.peer([]uint16{2375}); ok {
			t.Errorf("%s: %+v counts as %v", fmt.Sprint("change ", i), f, got)
		}
	}
}
