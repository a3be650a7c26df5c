package conntrack

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/netinfo/hostnet/ctattr"
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
	addTuple(ae, ctattr.TupleOrig, f.Original, f.Proto)
	if f.Zone != 0 {
		ae.Uint16(ctattr.Zone, f.Zone)
	}
	ae.Uint32(ctattr.ID, f.ID)
	return ae.Encode()
}

func addTuple(ae *netlink.AttributeEncoder, typ uint16, t hostnet.Tuple, proto netinfo.Protocol) {
	ae.Nested(typ, func(ae *netlink.AttributeEncoder) error {
		ae.Nested(ctattr.TupleIP, func(ae *netlink.AttributeEncoder) error {
			src, dst := uint16(ctattr.Src6), uint16(ctattr.Dst6)
			if t.Src.Is4() {
				src, dst = ctattr.Src4, ctattr.Dst4
			}
			ae.Bytes(src, t.Src.AsSlice())
			ae.Bytes(dst, t.Dst.AsSlice())
			return nil
		})
		ae.Nested(ctattr.TupleProto, func(ae *netlink.AttributeEncoder) error {
			addProto(ae, t, proto)
			return nil
		})
		return nil
	})
}

func addProto(ae *netlink.AttributeEncoder, t hostnet.Tuple, proto netinfo.Protocol) {
	ae.Uint8(ctattr.ProtoNum, uint8(proto))
	switch proto {
	case netinfo.ICMP:
		ae.Uint16(ctattr.ICMP4ID, t.ICMPID)
		ae.Uint8(ctattr.ICMP4Type, t.ICMPType)
		ae.Uint8(ctattr.ICMP4Code, t.ICMPCode)
	case netinfo.ICMPv6:
		ae.Uint16(ctattr.ICMP6ID, t.ICMPID)
		ae.Uint8(ctattr.ICMP6Type, t.ICMPType)
		ae.Uint8(ctattr.ICMP6Code, t.ICMPCode)
	default:
		ae.Uint16(ctattr.SrcPort, t.SrcPort)
		ae.Uint16(ctattr.DstPort, t.DstPort)
	}
}
