package kernel

import (
	"errors"
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
	begin, errBegin := batchEdge(unix.NFNL_MSG_BATCH_BEGIN)
	table, errTable := tableMessage(unix.NFT_MSG_NEWTABLE, netlink.Acknowledge|netlink.Create, unix.NFPROTO_BRIDGE, nftString(unix.NFTA_TABLE_NAME, FrameTable+"-able"))
	if err := errors.Join(errBegin, errTable); err != nil {
		return err
	}
	if _, err := conn.SendMessages([]netlink.Message{begin, table}); err != nil {
		return fmt.Errorf("asking for nftables of bridges: %w", err)
	}
	if _, err := conn.Receive(); err != nil {
		return fmt.Errorf("asking for nftables of bridges: %w", noFrames(err))
	}
	return nil
}
