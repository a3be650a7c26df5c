package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// Attributes of nfnetlink_conntrack.h.
const (
	ctaNATSource = 6

	ctaNATMin4    = 1
	ctaNATMax4    = 2
	ctaNATProto   = 3
	ctaNATMin6    = 4
	ctaNATMax6    = 5
	ctaNATPortMin = 1
	ctaNATPortMax = 2
)

// divertedFor is how many seconds a diverted entry stays when nothing is sent:
// the kernel's own time for UDP without an answer.
const divertedFor = 30

// ErrFlowExists reports whether the kernel tracks such a connection already.
var ErrFlowExists = errors.New("the connection is tracked already")

// Divert has the packets from one end to the other leave with the source
// as, by an entry that is made for them. The other end, which knows the sender
// by another port, hears nothing of it, and what it sends belongs to no
// connection. It is for a connection whose entry was deleted a moment ago and
// whose answering side goes on sending; the error is ErrFlowExists where that
// side was faster.
func (t *FlowTable) Divert(proto netinfo.Protocol, from, to, as netip.AddrPort) error {
	answer := Tuple{Src: from.Addr(), SrcPort: from.Port(), Dst: to.Addr(), DstPort: to.Port()}
	back := Tuple{Src: to.Addr(), SrcPort: to.Port(), Dst: from.Addr(), DstPort: from.Port()}
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	ae.Nested(ctaTupleOrig, func(ae *netlink.AttributeEncoder) error { return answer.add(ae, proto) })
	ae.Nested(ctaTupleReply, func(ae *netlink.AttributeEncoder) error { return back.add(ae, proto) })
	ae.Uint32(ctaTimeout, divertedFor)
	ae.Nested(ctaNATSource, func(ae *netlink.AttributeEncoder) error { return addSourceNAT(ae, as) })
	attrs, err := ae.Encode()
	if err != nil {
		return fmt.Errorf("diverting answers: %w", err)
	}
	err = t.change(ctNew, netlink.Create|netlink.Excl, Flow{Original: answer}, attrs)
	if errors.Is(err, unix.EEXIST) {
		return ErrFlowExists
	}
	if err != nil {
		return fmt.Errorf("diverting answers: %w", err)
	}
	return nil
}

func (t Tuple) add(ae *netlink.AttributeEncoder, proto netinfo.Protocol) error {
	ae.Nested(ctaTupleIP, t.addAddrs)
	ae.Nested(ctaTupleProto, func(ae *netlink.AttributeEncoder) error {
		t.addProto(ae, proto)
		return nil
	})
	return nil
}

func addSourceNAT(ae *netlink.AttributeEncoder, as netip.AddrPort) error {
	lowest, highest := uint16(ctaNATMin6), uint16(ctaNATMax6)
	if as.Addr().Is4() {
		lowest, highest = ctaNATMin4, ctaNATMax4
	}
	ae.Bytes(lowest, as.Addr().AsSlice())
	ae.Bytes(highest, as.Addr().AsSlice())
	ae.Nested(ctaNATProto, func(ae *netlink.AttributeEncoder) error {
		ae.Uint16(ctaNATPortMin, as.Port())
		ae.Uint16(ctaNATPortMax, as.Port())
		return nil
	})
	return nil
}
