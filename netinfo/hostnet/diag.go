package hostnet

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// Message types and sizes of sock_diag(7).
const (
	sockDiagByFamily = 20
	diagIDSize       = 48 // struct inet_diag_sockid
	diagMsgSize      = 72 // struct inet_diag_msg
	diagV6Only       = 11 // INET_DIAG_SKV6ONLY
	diagCgroupID     = 21 // INET_DIAG_CGROUP_ID
)

// TCP states (net/tcp_states.h); UDP and SCTP sockets use the same numbers.
const (
	stateTimeWait = 6
	stateClose    = 7
	stateListen   = 10
	stateLast     = 12 // TCP_NEW_SYN_RECV
)

// answerTimeout bounds every question to the kernel: it answers in
// microseconds, and a lost answer must not stop the agent.
const answerTimeout = 10 * time.Second

// diagSocket is one socket as sock_diag reports it.
type diagSocket struct {
	family        uint8
	id            [diagIDSize]byte // as the kernel knows the socket again
	local, remote netip.AddrPort
	link          int
	uid           uint32
	inode         uint64
	v6Only        bool
	cgroup        uint64
}

// dialDiag opens a sock_diag socket with a deadline.
func dialDiag() (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(answerTimeout))
}

// dumpSockets lists the sockets of the family and protocol that are in one of
// the states (a bit mask); the kernel filters.
func dumpSockets(family uint8, proto netinfo.Protocol, states uint32) ([]diagSocket, error) {
	conn, err := dialDiag()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return dumpSocketsOn(conn, family, proto, states)
}

// dumpSocketsOn is dumpSockets on a connection that is open.
func dumpSocketsOn(conn *netlink.Conn, family uint8, proto netinfo.Protocol, states uint32) ([]diagSocket, error) {
	req := netlink.Message{
		Header: netlink.Header{Type: sockDiagByFamily, Flags: netlink.Request | netlink.Dump},
		Data:   diagRequest(family, proto, states, [diagIDSize]byte{}),
	}
	if _, err := conn.Send(req); err != nil {
		return nil, err
	}
	var all []diagSocket
	for m, err := range conn.ReceiveIter() {
		if err != nil {
			return nil, err
		}
		s, err := parseDiag(m.Data)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// diagRequest is struct inet_diag_req_v2.
func diagRequest(family uint8, proto netinfo.Protocol, states uint32, id [diagIDSize]byte) []byte {
	b := []byte{family, uint8(proto), 0, 0}
	b = binary.NativeEndian.AppendUint32(b, states)
	return append(b, id[:]...)
}

// parseDiag reads struct inet_diag_msg and the attributes after it.
func parseDiag(b []byte) (diagSocket, error) {
	if len(b) < diagMsgSize {
		return diagSocket{}, fmt.Errorf("a socket of %d bytes, want %d", len(b), diagMsgSize)
	}
	s := diagSocket{family: b[0], id: [diagIDSize]byte(b[4 : 4+diagIDSize])}
	s.local = netip.AddrPortFrom(diagAddr(s.family, s.id[4:20]), binary.BigEndian.Uint16(s.id[0:]))
	s.remote = netip.AddrPortFrom(diagAddr(s.family, s.id[20:36]), binary.BigEndian.Uint16(s.id[2:]))
	s.link = int(binary.NativeEndian.Uint32(s.id[36:]))
	s.uid = binary.NativeEndian.Uint32(b[64:])
	s.inode = uint64(binary.NativeEndian.Uint32(b[68:]))
	ad, err := netlink.NewAttributeDecoder(b[diagMsgSize:])
	if err != nil {
		return diagSocket{}, err
	}
	for ad.Next() {
		switch ad.Type() {
		case diagV6Only:
			s.v6Only = ad.Uint8() != 0
		case diagCgroupID:
			s.cgroup = ad.Uint64()
		}
	}
	return s, ad.Err()
}

// diagAddr reads an address; an IPv4 one that an IPv6 socket holds becomes
// plain IPv4, as the packets are.
func diagAddr(family uint8, b []byte) netip.Addr {
	if family == unix.AF_INET {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}
