package hostnet

import (
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"

	"dockwall/netinfo"
)

// Attributes of nfnetlink_conntrack.h.
const (
	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaProtoInfo  = 4
	ctaTimeout    = 7
	ctaMark       = 8
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

	ctaInfoTCP     = 1
	ctaTCPState    = 1
	ctaTCPFlagsOut = 4 // of the original direction

	// tcpLiberal is IP_CT_TCP_FLAG_BE_LIBERAL of nf_conntrack_tcp.h, which the
	// kernel gives to what it picks up midstream.
	tcpLiberal = 0x08
)

func parseFlow(m netlink.Message) (Flow, error) {
	ad, err := nfAttributes(m)
	if err != nil {
		return Flow{}, err
	}
	var f Flow
	for ad.Next() {
		switch ad.Type() {
		case ctaTupleOrig:
			ad.Nested(func(ad *netlink.AttributeDecoder) error { return f.Original.parse(ad, &f.Proto) })
		case ctaTupleReply:
			ad.Nested(func(ad *netlink.AttributeDecoder) error { return f.Reply.parse(ad, &f.Proto) })
		case ctaStatus:
			f.Status = ad.Uint32()
		case ctaProtoInfo:
			ad.Nested(f.TCP.parse)
		case ctaMark:
			f.Mark = ad.Uint32()
		case ctaZone:
			f.Zone = ad.Uint16()
		case ctaID:
			f.ID = ad.Uint32()
		}
	}
	return f, ad.Err()
}

// parse reads the part of each protocol's own; only TCP's is known here.
func (t *TCPFlow) parse(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		if ad.Type() == ctaInfoTCP {
			ad.Nested(t.parseTCP)
		}
	}
	return ad.Err()
}

func (t *TCPFlow) parseTCP(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case ctaTCPState:
			t.State = TCPState(ad.Uint8())
		case ctaTCPFlagsOut:
			if b := ad.Bytes(); len(b) > 0 { // flags, mask
				t.Midstream = b[0]&tcpLiberal != 0
			}
		}
	}
	return ad.Err()
}

func (t *Tuple) parse(ad *netlink.AttributeDecoder, proto *netinfo.Protocol) error {
	for ad.Next() {
		switch ad.Type() {
		case ctaTupleIP:
			ad.Nested(t.parseAddrs)
		case ctaTupleProto:
			ad.Nested(func(ad *netlink.AttributeDecoder) error { return t.parseProto(ad, proto) })
		}
	}
	return ad.Err()
}

func (t *Tuple) parseAddrs(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		addr, ok := netip.AddrFromSlice(ad.Bytes())
		if !ok {
			return fmt.Errorf("an address of %d bytes", ad.Len())
		}
		switch ad.Type() {
		case ctaSrc4, ctaSrc6:
			t.Src = addr
		case ctaDst4, ctaDst6:
			t.Dst = addr
		}
	}
	return ad.Err()
}

func (t *Tuple) parseProto(ad *netlink.AttributeDecoder, proto *netinfo.Protocol) error {
	for ad.Next() {
		switch ad.Type() {
		case ctaProtoNum:
			*proto = netinfo.Protocol(ad.Uint8())
		case ctaSrcPort:
			t.SrcPort = ad.Uint16()
		case ctaDstPort:
			t.DstPort = ad.Uint16()
		case ctaICMP4ID, ctaICMP6ID:
			t.ICMPID = ad.Uint16()
		case ctaICMP4Type, ctaICMP6Type:
			t.ICMPType = ad.Uint8()
		case ctaICMP4Code, ctaICMP6Code:
			t.ICMPCode = ad.Uint8()
		}
	}
	return ad.Err()
}
