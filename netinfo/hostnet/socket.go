package hostnet

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// Socket is a socket of this network namespace that others can send to: a
// listening TCP or SCTP one, or a bound UDP one that is not connected.
type Socket struct {
	// Addr is the local address, never an IPv4-mapped one. ::, where V6Only is
	// not set, serves IPv4 too.
	Addr   netip.Addr
	Proto  netinfo.Protocol
	Port   uint16
	V6Only bool
	// Link is the index of the interface the socket is bound to; any if 0.
	Link int
	// Inode is the number in the socket:[…] that /proc/PID/fd shows.
	Inode uint64
	UID   uint32
	// Cgroup is the ID of the cgroup v2 that the socket was made in; 0 if unknown
	// (Linux before 5.8 does not tell).
	Cgroup uint64
}

// rootCgroup is the ID of the root of cgroup v2. On a host that uses cgroup v1 alone every
// process is in it.
const rootCgroup = 1

// InCgroup reports whether the socket was made in a cgroup of version 2, which says whose
// it is.
func (s Socket) InCgroup() bool { return s.Cgroup > rootCgroup }

// Listeners lists the listening sockets of this network namespace, sorted. The
// kernel's sock_diag is asked for just these; where it lacks the module for a
// protocol, /proc/net is read (then V6Only is not known, and false).
func Listeners() ([]Socket, error) {
	conn, err := dialDiag()
	if err == nil {
		defer conn.Close()
	} else if !noDiag(err) {
		return nil, fmt.Errorf("listing listeners: %w", err)
	}
	var all []Socket
	for _, proto := range listenProtocols() {
		for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
			sockets, err := listeners(conn, family, proto)
			if err != nil {
				return nil, fmt.Errorf("listing %v listeners: %w", proto, err)
			}
			all = append(all, sockets...)
		}
	}
	slices.SortFunc(all, compareSockets)
	return all, nil
}

// listenProtocols leaves SCTP out where the kernel does not have it loaded:
// asking older kernels about it would load it.
func listenProtocols() []netinfo.Protocol {
	protos := []netinfo.Protocol{netinfo.TCP, netinfo.UDP}
	if _, err := os.Stat("/proc/thread-self/net/sctp"); err == nil {
		protos = append(protos, netinfo.SCTP)
	}
	return protos
}

// listeners asks on conn or, where there is none, reads /proc/net.
func listeners(conn *netlink.Conn, family uint8, proto netinfo.Protocol) ([]Socket, error) {
	var found []diagSocket
	err := error(unix.ENOENT)
	if conn != nil {
		found, err = dumpSocketsOn(conn, family, proto, 1<<listenState(proto))
	}
	if noDiag(err) {
		return procListeners("/proc/thread-self/net", family, proto)
	}
	if err != nil {
		return nil, err
	}
	sockets := make([]Socket, 0, len(found))
	for _, s := range found {
		sockets = append(sockets, Socket{
			Addr: s.local.Addr(), Proto: proto, Port: s.local.Port(), V6Only: s.v6Only,
			Link: s.link, Inode: s.inode, UID: s.uid, Cgroup: s.cgroup,
		})
	}
	return sockets, nil
}

// listenState is the state of a socket that others can send to. A UDP socket
// that is bound and not connected is "closed" in the kernel's terms.
func listenState(proto netinfo.Protocol) int {
	if proto == netinfo.UDP {
		return stateClose
	}
	return stateListen
}

// noDiag reports whether the kernel has no sock_diag, or not for this protocol.
func noDiag(err error) bool {
	return errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT)
}

func compareSockets(a, b Socket) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.Port, b.Port),
		cmp.Compare(a.Link, b.Link), cmp.Compare(a.Inode, b.Inode))
}
