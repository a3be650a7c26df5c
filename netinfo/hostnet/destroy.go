package hostnet

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// ErrNoDestroy reports whether the kernel cannot destroy sockets
// (CONFIG_INET_DIAG_DESTROY).
var ErrNoDestroy = errors.New("the kernel cannot destroy sockets")

// Connection is a TCP connection of a socket in this network namespace.
type Connection struct {
	// Local and Remote are as the socket sees them: after DNAT, IPv4 ones of
	// an IPv6 socket as IPv4.
	Local, Remote netip.AddrPort
	Inode         uint64
	UID           uint32
}

// DestroyTCPSockets destroys the connected TCP sockets of this network
// namespace for which match is true, and returns how many. The process that
// holds one reads ECONNABORTED, the peer gets a RST. A connection that ends
// before is no error. Needs CAP_NET_ADMIN; the error is ErrNoDestroy where
// the kernel cannot.
func DestroyTCPSockets(match func(Connection) bool) (int, error) {
	destroyed := 0
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		sockets, err := dumpSockets(family, netinfo.TCP, connectedStates())
		if noDiag(err) {
			return destroyed, fmt.Errorf("%w: no sock_diag", ErrNoDestroy)
		}
		if err != nil {
			return destroyed, fmt.Errorf("listing TCP connections: %w", err)
		}
		n, err := destroyMatching(sockets, match)
		destroyed += n
		if err != nil {
			return destroyed, err
		}
	}
	return destroyed, nil
}

// connectedStates are those that a packet of the peer may still move.
func connectedStates() uint32 {
	all := uint32(1)<<(stateLast+1) - 2 // states count from 1
	return all &^ (1<<stateListen | 1<<stateClose | 1<<stateTimeWait)
}

func destroyMatching(sockets []diagSocket, match func(Connection) bool) (int, error) {
	conn, err := dialDiag()
	if err != nil {
		return 0, fmt.Errorf("destroying sockets: %w", err)
	}
	defer conn.Close()
	destroyed := 0
	for _, s := range sockets {
		if !match(Connection{Local: s.local, Remote: s.remote, Inode: s.inode, UID: s.uid}) {
			continue
		}
		_, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge},
			Data:   diagRequest(s.family, netinfo.TCP, connectedStates(), s.id),
		})
		switch {
		case err == nil:
			destroyed++
		case errors.Is(err, unix.ENOENT): // it has ended
		case errors.Is(err, unix.EOPNOTSUPP):
			return destroyed, fmt.Errorf("%w (%v)", ErrNoDestroy, err)
		default:
			return destroyed, fmt.Errorf("destroying a socket: %w", err)
		}
	}
	return destroyed, nil
}
