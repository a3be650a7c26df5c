package kernel

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Able returns rules.ErrNoFrames if the kernel has no nftables for bridges. It changes
// nothing: it sends a transaction without its end, which the kernel checks and aborts
// (nfnetlink_rcv_batch; nft --check does the same). Another error, such as a missing
// right, says that the answer is not known.
func (f *Frames) Able() error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return fmt.Errorf("asking for nftables of bridges: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(frameAnswer)); err != nil {
		return fmt.Errorf("asking for nftables of bridges: %w", err)
	}
	name, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: unix.NFTA_TABLE_NAME, Data: append([]byte(FrameTable+"-able"), 0)}})
	if err != nil {
		return err
	}
	begin := netlink.Message{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request},
		Data: netfilterHeader(unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)}
	table := netlink.Message{Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE, Flags: netlink.Request | netlink.Create | netlink.Acknowledge},
		Data: append(netfilterHeader(unix.NFPROTO_BRIDGE, 0), name...)}
	if _, err := conn.SendMessages([]netlink.Message{begin, table}); err != nil {
		return fmt.Errorf("asking for nftables of bridges: %w", err)
	}
	if _, err := conn.Receive(); err != nil {
		return fmt.Errorf("asking for nftables of bridges: %w", noFrames(err))
	}
	return nil
}

// netfilterHeader is struct nfgenmsg.
func netfilterHeader(family byte, resource uint16) []byte {
	return binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, resource)
}
