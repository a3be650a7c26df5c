package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// sockDestroy is SOCK_DESTROY of sock_diag(7).
const sockDestroy = 21

// ErrNoDestroy reports that the kernel cannot destroy sockets
// (CONFIG_INET_DIAG_DESTROY).
var ErrNoDestroy = errors.New("the kernel cannot destroy sockets")

// DestroyTCPSockets destroys the connected TCP sockets of this network
// namespace for which match is true, and returns how many. The process that
// holds one reads ECONNABORTED, the peer gets a RST. A connection that ends by itself
// is no error. It needs CAP_NET_ADMIN; the error is ErrNoDestroy if the kernel
// cannot do it.
func DestroyTCPSockets(match func(hostnet.Connection) bool) (int, error) {
	destroyed := 0
	for _, family := range []int{4, 6} {
		connections, err := hostnet.TCPConnections(family)
		if errors.Is(err, hostnet.ErrNoSockDiag) {
			return destroyed, fmt.Errorf("%w: no sock_diag", ErrNoDestroy)
		}
		if err != nil {
			return destroyed, err
		}
		n, err := destroy(connections, match)
		destroyed += n
		if err != nil {
			return destroyed, err
		}
	}
	return destroyed, nil
}

func destroy(connections []hostnet.Connection, match func(hostnet.Connection) bool) (int, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return 0, fmt.Errorf("destroying sockets: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, fmt.Errorf("destroying sockets: %w", err)
	}
	destroyed := 0
	for _, c := range connections {
		if !match(c) {
			continue
		}
		_, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: sockDestroy, Flags: netlink.Request | netlink.Acknowledge},
			Data:   destroyRequest(c.Socket),
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

// destroyRequest is struct inet_diag_req_v2, for a socket in any state.
func destroyRequest(s hostnet.SocketID) []byte {
	b := binary.NativeEndian.AppendUint32([]byte{s.Family, byte(netinfo.TCP), 0, 0}, ^uint32(0))
	return append(b, s.ID[:]...)
}
