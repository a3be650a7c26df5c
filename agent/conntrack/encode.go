package conntrack

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// Attributes of nfnetlink_conntrack.h.
const (
	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaProtoInfo  = 4
	ctaNATSource  = 6
	ctaTimeout    = 7
	ctaID         = 12
	ctaZone       = 18

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaSrc4 = 1
	ctaDst4 = 2
	ctaSrc6 = 3
	ctaDst6 = 4

	ctaProtoNum  = 1
	ctaSrcPort   = 2
	ctaDstPort   = 3
	ctaICMP4ID   = 4
	ctaICMP4Type = 5
	ctaICMP4Code = 6
	ctaICMP6ID   = 7
	ctaICMP6Type = 8
	ctaICMP6Code = 9

	ctaInfoTCP  = 1
	ctaTCPState = 1

	ctaNATMin4    = 1
	ctaNATMax4    = 2
	ctaNATProto   = 3
	ctaNATMin6    = 4
	ctaNATMax6    = 5
	ctaNATPortMin = 1
	ctaNATPortMax = 2
)

func newEncoder() *netlink.AttributeEncoder {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	return ae
}

// key is what the kernel finds the entry by: the original direction, the zone,
// and the ID, without which a new connection of the same addresses would be
// deleted instead.
func key(f hostnet.Flow) ([]byte, error) {
	ae := newEncoder()
	addTuple(ae, ctaTupleOrig, f.Original, f.Proto)
	if f.Zone != 0 {
		ae.Uint16(ctaZone, f.Zone)
	}
	ae.Uint32(ctaID, f.ID)
	return ae.Encode()
}

func addTuple(ae *netlink.AttributeEncoder, typ uint16, t hostnet.Tuple, proto netinfo.Protocol) {
	ae.Nested(typ, func(ae *netlink.AttributeEncoder) error {
		ae.Nested(ctaTupleIP, func(ae *netlink.AttributeEncoder) error {
			src, dst := uint16(ctaSrc6), uint16(ctaDst6)
			if t.Src.Is4() {
				src, dst = ctaSrc4, ctaDst4
			}
			ae.Bytes(src, t.Src.AsSlice())
			ae.Bytes(dst, t.Dst.AsSlice())
			return nil
		})
		ae.Nested(ctaTupleProto, func(ae *netlink.AttributeEncoder) error {
			addProto(ae, t, proto)
			return nil
		})
		return nil
	})
}

func addProto(ae *netlink.AttributeEncoder, t hostnet.Tuple, proto netinfo.Protocol) {
	ae.Uint8(ctaProtoNum, uint8(proto))
	switch proto {
	case netinfo.ICMP:
		ae.Uint16(ctaICMP4ID, t.ICMPID)
		ae.Uint8(ctaICMP4Type, t.ICMPType)
		ae.Uint8(ctaICMP4Code, t.ICMPCode)
	case netinfo.ICMPv6:
		ae.Uint16(ctaICMP6ID, t.ICMPID)
		ae.Uint8(ctaICMP6Type, t.ICMPType)
		ae.Uint8(ctaICMP6Code, t.ICMPCode)
	default:
		ae.Uint16(ctaSrcPort, t.SrcPort)
		ae.Uint16(ctaDstPort, t.DstPort)
	}
}
