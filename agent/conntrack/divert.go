package conntrack

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/netinfo/hostnet/ctattr"
)

// divertedFor is how many seconds a diverted entry stays when nothing is sent:
// the kernel's own time for UDP without an answer.
const divertedFor = 30

// ErrFlowExists reports that the kernel tracks such a connection already.
var ErrFlowExists = errors.New("the connection is tracked already")

// Divert has the packets from one end to the other leave with the source
// as, by an entry that is made for them. The other end, which knows the sender
// by another port, receives none of them, and what it sends belongs to no
// connection. It is for a connection whose entry was deleted a moment ago and
// whose answering side goes on sending; the error is ErrFlowExists if that
// side was faster.
func (t *Table) Divert(proto netinfo.Protocol, from, to, as netip.AddrPort) error {
	answer := hostnet.Tuple{Src: from.Addr(), SrcPort: from.Port(), Dst: to.Addr(), DstPort: to.Port()}
	attrs, err := diversion(proto, answer, as)
	if err != nil {
		return fmt.Errorf("diverting answers: %w", err)
	}
	err = t.change(ctNew, netlink.Create|netlink.Excl, hostnet.Flow{Original: answer}, attrs)
	if errors.Is(err, unix.EEXIST) {
		return ErrFlowExists
	}
	if err != nil {
		return fmt.Errorf("diverting answers: %w", err)
	}
	return nil
}

// diversion is the entry of an answer that leaves with the source as.
func diversion(proto netinfo.Protocol, answer hostnet.Tuple, as netip.AddrPort) ([]byte, error) {
	back := hostnet.Tuple{Src: answer.Dst, SrcPort: answer.DstPort, Dst: answer.Src, DstPort: answer.SrcPort}
	ae := newEncoder()
	addTuple(ae, ctattr.TupleOrig, answer, proto)
	addTuple(ae, ctattr.TupleReply, back, proto)
	ae.Uint32(ctattr.Timeout, divertedFor)
	ae.Nested(ctattr.NATSource, func(ae *netlink.AttributeEncoder) error { return addSourceNAT(ae, as) })
	return ae.Encode()
}

func addSourceNAT(ae *netlink.AttributeEncoder, as netip.AddrPort) error {
	lowest, highest := uint16(ctattr.NATMin6), uint16(ctattr.NATMax6)
	if as.Addr().Is4() {
		lowest, highest = ctattr.NATMin4, ctattr.NATMax4
	}
	ae.Bytes(lowest, as.Addr().AsSlice())
	ae.Bytes(highest, as.Addr().AsSlice())
	ae.Nested(ctattr.NATProto, func(ae *netlink.AttributeEncoder) error {
		ae.Uint16(ctattr.NATPortMin, as.Port())
		ae.Uint16(ctattr.NATPortMax, as.Port())
		return nil
	})
	return nil
}
