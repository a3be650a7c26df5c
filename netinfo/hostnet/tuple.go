package hostnet

import (
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet/ctattr"
)

// tcpLiberal is IP_CT_TCP_FLAG_BE_LIBERAL of nf_conntrack_tcp.h, which the kernel
// gives to what it picks up midstream.
const tcpLiberal = 0x08

func parseFlow(m netlink.Message) (Flow, error) {
	ad, err := nfAttributes(m)
	if err != nil {
		return Flow{}, err
	}
	var f Flow
	for ad.Next() {
		switch ad.Type() {
		case ctattr.TupleOrig:
			ad.Nested(func(ad *netlink.AttributeDecoder) error { return f.Original.parse(ad, &f.Proto) })
		case ctattr.TupleReply:
			ad.Nested(func(ad *netlink.AttributeDecoder) error { return f.Reply.parse(ad, &f.Proto) })
		case ctattr.Status:
			f.Status = ad.Uint32()
		case ctattr.ProtoInfo:
			ad.Nested(f.TCP.parse)
		case ctattr.Mark:
			f.Mark = ad.Uint32()
		case ctattr.Zone:
			f.Zone = ad.Uint16()
		case ctattr.ID:
			f.ID = ad.Uint32()
		}
	}
	return f, ad.Err()
}

// parse reads the part of each protocol's own; only TCP's is known here.
func (t *TCPFlow) parse(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		if ad.Type() == ctattr.InfoTCP {
			ad.Nested(t.parseTCP)
		}
	}
	return ad.Err()
}

func (t *TCPFlow) parseTCP(ad *netlink.AttributeDecoder) error {
	for ad.Next() {
		switch ad.Type() {
		case ctattr.TCPState:
			t.State = TCPState(ad.Uint8())
		case ctattr.TCPFlagsOut:
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
		case ctattr.TupleIP:
			ad.Nested(t.parseAddrs)
		case ctattr.TupleProto:
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
		case ctattr.Src4, ctattr.Src6:
			t.Src = addr
		case ctattr.Dst4, ctattr.Dst6:
			t.Dst = addr
		}
	}
	return ad.Err()
}

func (t *Tuple) parseProto(ad *netlink.AttributeDecoder, proto *netinfo.Protocol) error {
	for ad.Next() {
		switch ad.Type() {
		case ctattr.ProtoNum:
			*proto = netinfo.Protocol(ad.Uint8())
		case ctattr.SrcPort:
			t.SrcPort = ad.Uint16()
		case ctattr.DstPort:
			t.DstPort = ad.Uint16()
		case ctattr.ICMP4ID, ctattr.ICMP6ID:
			t.ICMPID = ad.Uint16()
		case ctattr.ICMP4Type, ctattr.ICMP6Type:
			t.ICMPType = ad.Uint8()
		case ctattr.ICMP4Code, ctattr.ICMP6Code:
			t.ICMPCode = ad.Uint8()
		}
	}
	return ad.Err()
}
