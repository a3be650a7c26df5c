package nstest

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Open makes a socket that the test closes. It is raw, so that it stays in the
// thread's namespace whatever the runtime's poller does.
func Open(t *testing.T, family, typ int) int {
	t.Helper()
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC, 0)
	Must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// Bind makes a socket that is bound to the address, and listens if it is a stream.
// prepare, which may be nil, is called before.
func Bind(t *testing.T, family, typ int, at string, prepare func(int) error) int {
	t.Helper()
	fd := Open(t, family, typ)
	if prepare != nil {
		Must(t, prepare(fd))
	}
	addr := netip.MustParseAddrPort(at)
	Must(t, unix.Bind(fd, Sockaddr(family, addr)))
	if typ == unix.SOCK_STREAM {
		Must(t, unix.Listen(fd, 8))
	}
	return fd
}

// Sockaddr is the address as the system call takes it.
func Sockaddr(family int, a netip.AddrPort) unix.Sockaddr {
	if family == unix.AF_INET {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// Only6 is for Bind: the IPv6 socket takes IPv4 as well, or not.
func Only6(on bool) func(int) error {
	return func(fd int) error {
		value := 0
		if on {
			value = 1
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, value)
	}
}

// Pair is a connection's two sockets.
type Pair struct{ Client, Server int }

// Connect dials from one address to the listening socket at the other.
func Connect(t *testing.T, server, family int, from, to string) Pair {
	t.Helper()
	client := Open(t, family, unix.SOCK_STREAM)
	Must(t, unix.Bind(client, Sockaddr(family, netip.MustParseAddrPort(from))))
	Must(t, unix.Connect(client, Sockaddr(family, netip.MustParseAddrPort(to))))
	fd, _, err := unix.Accept(server)
	Must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	return Pair{client, fd}
}
