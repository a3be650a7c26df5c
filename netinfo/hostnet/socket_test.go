package hostnet

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

// openSockets makes, in the thread's namespace, what Listeners must show and
// what it must not: connected and unbound sockets.
func openSockets(t *testing.T) []Socket {
	t.Helper()
	nstest.IP(t, "link add br0 type bridge", "addr add fe80::7/64 dev br0 nodad", "link set br0 up")
	nstest.Bind(t, unix.AF_INET, unix.SOCK_STREAM, "127.0.0.1:8080", nil)
	nstest.Bind(t, unix.AF_INET, unix.SOCK_STREAM, "0.0.0.0:8081", nil)
	nstest.Bind(t, unix.AF_INET6, unix.SOCK_STREAM, "[::]:8082", nstest.Only6(false))
	nstest.Bind(t, unix.AF_INET6, unix.SOCK_STREAM, "[::]:8083", nstest.Only6(true))
	nstest.Bind(t, unix.AF_INET6, unix.SOCK_STREAM, "[::ffff:127.0.0.1]:8084", nstest.Only6(false))
	nstest.Bind(t, unix.AF_INET, unix.SOCK_DGRAM, "0.0.0.0:5353", func(fd int) error { return unix.BindToDevice(fd, "br0") })
	nstest.Bind(t, unix.AF_INET6, unix.SOCK_DGRAM, "[::1]:5354", nstest.Only6(true))
	connected := nstest.Bind(t, unix.AF_INET, unix.SOCK_DGRAM, "127.0.0.1:5355", nil)
	nstest.Must(t, unix.Connect(connected, &unix.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}))
	client := nstest.Open(t, unix.AF_INET, unix.SOCK_STREAM)
	nstest.Must(t, unix.Connect(client, &unix.SockaddrInet4{Port: 8080, Addr: [4]byte{127, 0, 0, 1}}))
	link, err := net.InterfaceByName("br0")
	nstest.Must(t, err)
	return []Socket{
		{Addr: netip.MustParseAddr("0.0.0.0"), Proto: netinfo.TCP, Port: 8081},
		{Addr: netip.MustParseAddr("0.0.0.0"), Proto: netinfo.UDP, Port: 5353, Link: link.Index},
		{Addr: netip.MustParseAddr("127.0.0.1"), Proto: netinfo.TCP, Port: 8080},
		{Addr: netip.MustParseAddr("127.0.0.1"), Proto: netinfo.TCP, Port: 8084},
		{Addr: netip.MustParseAddr("::"), Proto: netinfo.TCP, Port: 8082},
		{Addr: netip.MustParseAddr("::"), Proto: netinfo.TCP, Port: 8083, V6Only: true},
		{Addr: netip.MustParseAddr("::1"), Proto: netinfo.UDP, Port: 5354, V6Only: true},
	}
}

func TestListenersShowWhatCanBeReached(t *testing.T) {
	nstest.New(t)
	want := openSockets(t)
	got, err := Listeners()
	nstest.Must(t, err)
	for _, s := range got {
		if s.Inode == 0 {
			t.Errorf("%+v has no inode", s)
		}
	}
	ignore := cmpopts.IgnoreFields(Socket{}, "Inode", "Cgroup")
	if diff := cmp.Diff(want, got, ignore, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("listeners (-want +got):\n%s", diff)
	}
}

// Where the kernel lacks sock_diag, /proc/net shows the same except V6Only, the
// bound link and the cgroup.
func TestProcNetShowsTheSameListeners(t *testing.T) {
	nstest.New(t)
	openSockets(t)
	want, err := Listeners()
	nstest.Must(t, err)
	var got []Socket
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, proto := range []netinfo.Protocol{netinfo.TCP, netinfo.UDP} {
			sockets, err := procListeners("/proc/thread-self/net", family, proto)
			nstest.Must(t, err)
			got = append(got, sockets...)
		}
	}
	slices.SortFunc(got, compareSockets)
	ignore := cmpopts.IgnoreFields(Socket{}, "V6Only", "Link", "Cgroup")
	if diff := cmp.Diff(want, got, ignore, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("/proc/net (-sock_diag +proc):\n%s", diff)
	}
}

func TestProtocolWithoutSockDiagIsKnown(t *testing.T) {
	nstest.New(t)
	const experimental = 253 // RFC 3692
	if _, err := dumpSockets(unix.AF_INET, experimental, 1<<stateListen); !noDiag(err) {
		t.Errorf("the error is %v, want one that noDiag knows", err)
	}
}

func TestProcNetWithoutIPv6HasNoSockets(t *testing.T) {
	got, err := procListeners(t.TempDir(), unix.AF_INET6, netinfo.TCP)
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestProcNetRefusesWhatItCannotRead(t *testing.T) {
	const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for _, line := range []string{
		"0: 0100007F:1F90 00000000:0000 0A",
		"0: 0100007:1F90 00000000:0000 0A 0:0 00:0 0 0 0 1",
		"0: 0100007F1F90 00000000:0000 0A 0:0 00:0 0 0 0 1",
		"0: 0100007F:XX 00000000:0000 0A 0:0 00:0 0 0 0 1",
		"0: 0100007F:1F90 00000000:0000 ZZ 0:0 00:0 0 0 0 1",
		"0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 0 0 x",
	} {
		dir := t.TempDir()
		nstest.Must(t, os.WriteFile(dir+"/tcp", []byte(head+line+"\n"), 0o600))
		if got, err := procListeners(dir, unix.AF_INET, netinfo.TCP); err == nil {
			t.Errorf("%q was read as %+v", line, got)
		}
	}
}
