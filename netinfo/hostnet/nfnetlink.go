package hostnet

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nfgenSize is the size of struct nfgenmsg, which begins every nfnetlink
// message: family, version, resource id (big endian).
const nfgenSize = 4

// Requests of nfnetlink's subsystems: subsystem in the high byte.
const (
	nftNewGen   = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWGEN)
	nftGetGen   = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN)
	nftGetChain = netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETCHAIN)
)

// dialNetfilter opens an nfnetlink socket with a deadline.
func dialNetfilter() (*netlink.Conn, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(answerTimeout))
}

// nfMessage makes an nfnetlink request.
func nfMessage(typ netlink.HeaderType, flags netlink.HeaderFlags, family uint8, resource uint16, attrs ...netlink.Attribute) netlink.Message {
	data := []byte{family, unix.NFNETLINK_V0}
	data = binary.BigEndian.AppendUint16(data, resource)
	for _, a := range attrs {
		data = appendAttribute(data, a)
	}
	return netlink.Message{
		Header: netlink.Header{Type: typ, Flags: netlink.Request | flags},
		Data:   data,
	}
}

// appendAttribute writes an attribute; Length and padding are made here.
func appendAttribute(b []byte, a netlink.Attribute) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(4+len(a.Data)))
	b = binary.NativeEndian.AppendUint16(b, a.Type)
	b = append(b, a.Data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// nfString is an attribute that holds a text.
func nfString(typ uint16, s string) netlink.Attribute {
	return netlink.Attribute{Type: typ, Data: append([]byte(s), 0)}
}

// nfAttributes gives the attributes after the nfgenmsg, in nfnetlink's byte
// order.
func nfAttributes(m netlink.Message) (*netlink.AttributeDecoder, error) {
	if len(m.Data) < nfgenSize {
		return nil, errors.New("a netfilter message without its header")
	}
	ad, err := netlink.NewAttributeDecoder(m.Data[nfgenSize:])
	if err != nil {
		return nil, err
	}
	ad.ByteOrder = binary.BigEndian
	return ad, nil
}
