package hostnet

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// ErrNoSockDiag reports that the kernel has no sock_diag for the protocol.
var ErrNoSockDiag = errors.New("the kernel has no sock_diag")

// Connection is a TCP connection of a socket in this network namespace.
type Connection struct {
	// Local and Remote are as the socket sees them: after DNAT, IPv4 ones of
	// an IPv6 socket as IPv4.
	Local, Remote netip.AddrPort
	Inode         uint64
	UID           uint32
	Socket        SocketID
}

// SocketID is how the kernel knows a socket again: its address family and struct
// inet_diag_sockid.
type SocketID struct {
	Family uint8
	ID     [diagIDSize]byte
}

// TCPConnections lists the TCP sockets of the family, 4 or 6, that a packet of the peer
// may still move. The error is ErrNoSockDiag if the kernel cannot list them.
func TCPConnections(family int) ([]Connection, error) {
	af, err := nfFamily(family)
	if err != nil {
		return nil, err
	}
	sockets, err := dumpSockets(af, netinfo.TCP, connectedStates())
	if noDiag(err) {
		return nil, ErrNoSockDiag
	}
	if err != nil {
		return nil, fmt.Errorf("listing TCP connections: %w", err)
	}
	var all []Connection
	for _, s := range sockets {
		all = append(all, Connection{Local: s.local, Remote: s.remote, Inode: s.inode, UID: s.uid, Socket: SocketID{s.family, s.id}})
	}
	return all, nil
}

// connectedStates are those that a packet of the peer may still move.
func connectedStates() uint32 {
	all := uint32(1)<<(stateLast+1) - 2 // states count from 1
	return all &^ (1<<stateListen | 1<<stateClose | 1<<stateTimeWait)
}

func nfFamily(family int) (uint8, error) {
	switch family {
	case 4:
		return unix.AF_INET, nil
	case 6:
		return unix.AF_INET6, nil
	}
	return 0, fmt.Errorf("IP version %d, want 4 or 6", family)
}
