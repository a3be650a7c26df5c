package hostnet

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// Requests and bits of nfnetlink_conntrack.h and nf_conntrack_common.h.
const (
	ctGet = netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK<<8 | 1) // IPCTNL_MSG_CT_GET

	statusSeenReply = 1 << 1
	statusAssured   = 1 << 2
	statusSourceNAT = 1 << 4
	statusDestNAT   = 1 << 5
)

// flowTimeout bounds a dump of the connection table, which at a million
// entries takes some seconds.
const flowTimeout = time.Minute

// Flow is an entry of the connection tracking table.
type Flow struct {
	Proto netinfo.Protocol
	// Original is the first packet as it was before NAT; Reply is what the
	// answer to it looks like before NAT is undone.
	Original, Reply Tuple
	// Status is the kernel's IPS_ bits; see the methods.
	Status uint32
	Mark   uint32
	Zone   uint16
	// ID distinguishes this entry from a later one of the same addresses.
	ID uint32
	// TCP is what the kernel knows of a TCP connection; zero for others.
	TCP TCPFlow
}

// TCPFlow is connection tracking's view of a TCP connection.
type TCPFlow struct {
	State TCPState
	// Midstream: tracking began with a packet that was no SYN. Original is then
	// the direction of that packet, which may be an answer.
	Midstream bool
}

// TCPState is a state of nf_conntrack_tcp.h.
type TCPState uint8

// The states that matter for cutting connections.
const (
	TCPSynSent     TCPState = 1
	TCPSynReceived TCPState = 2
	TCPTimeWait    TCPState = 7
	TCPClose       TCPState = 8
)

// Tuple is one direction of a flow.
type Tuple struct {
	Src, Dst         netip.Addr
	SrcPort, DstPort uint16
	// For ICMP and ICMPv6 instead of ports.
	ICMPID             uint16
	ICMPType, ICMPCode uint8
}

// DestNATed reports whether the flow's destination was translated: it came to a
// published port. The container is then Reply.Src, Reply.SrcPort.
func (f Flow) DestNATed() bool { return f.Status&statusDestNAT != 0 }

// SourceNATed reports whether the flow's source was translated, as masquerading
// does.
func (f Flow) SourceNATed() bool { return f.Status&statusSourceNAT != 0 }

// SeenReply reports whether packets went both ways.
func (f Flow) SeenReply() bool { return f.Status&statusSeenReply != 0 }

// Assured reports whether the kernel takes the connection for established.
func (f Flow) Assured() bool { return f.Status&statusAssured != 0 }

// ConnFlows lists the tracked connections of the family, 4 or 6, in the
// kernel's order. An entry that moves while the table is read may be missing:
// who cuts connections looks twice. Where connection tracking is not there, or
// not for this family, the list is empty.
func ConnFlows(family int) ([]Flow, error) {
	var flows []Flow
	err := EachFlow(family, func(f Flow) { flows = append(flows, f) })
	return flows, err
}

// EachFlow calls visit with each flow that ConnFlows would list, without
// holding them all.
func EachFlow(family int, visit func(Flow)) error {
	af, err := nfFamily(family)
	if err != nil {
		return err
	}
	conn, err := dialNetfilter()
	if err != nil {
		return noConntrack(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(flowTimeout)); err != nil {
		return err
	}
	if _, err := conn.Send(nfMessage(ctGet, netlink.Dump, af, 0)); err != nil {
		return fmt.Errorf("listing connections: %w", err)
	}
	for m, err := range conn.ReceiveIter() {
		if err != nil {
			return noConntrack(err)
		}
		f, err := parseFlow(m)
		if err != nil {
			return fmt.Errorf("listing connections: %w", err)
		}
		visit(f)
	}
	return nil
}

// noConntrack passes over a kernel without connection tracking, which has no
// connections to list.
func noConntrack(err error) error {
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP) {
		return nil
	}
	return fmt.Errorf("listing connections: %w", err)
}
