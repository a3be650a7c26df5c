package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
)

// Requests of nfnetlink_conntrack.h.
const (
	// ctNew is IPCTNL_MSG_CT_NEW, which without Create changes what is there.
	ctNew    = netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK << 8)
	ctDelete = netlink.HeaderType(unix.NFNL_SUBSYS_CTNETLINK<<8 | 2) // IPCTNL_MSG_CT_DELETE
)

// answerTimeout bounds every question to the kernel: it answers in microseconds, and a
// lost answer must not stop the agent.
const answerTimeout = 10 * time.Second

// Table changes the connection tracking table, over one socket for many changes.
type Table struct{ conn *netlink.Conn }

// Open opens the table of the calling thread's network namespace.
func Open() (*Table, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("opening the connection table: %w", err)
	}
	return &Table{conn}, nil
}

// Close closes the socket.
func (t *Table) Close() error { return t.conn.Close() }

// change does one request and waits for the kernel's answer.
func (t *Table) change(typ netlink.HeaderType, flags netlink.HeaderFlags, f hostnet.Flow, attrs []byte) error {
	if err := t.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	family := byte(unix.AF_INET6)
	if f.Original.Src.Is4() {
		family = unix.AF_INET
	}
	// struct nfgenmsg: family, version, resource.
	data := binary.BigEndian.AppendUint16([]byte{family, unix.NFNETLINK_V0}, 0)
	_, err := t.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: typ, Flags: netlink.Request | netlink.Acknowledge | flags},
		Data:   append(data, attrs...),
	})
	return err
}

// Delete removes this entry from the table; one that is gone already is no
// error. The next packet of the connection makes a new entry, in that packet's
// direction, if the rules let it pass: a TCP connection of the host's own
// sockets is cut by DestroyTCPSockets instead, a forwarded one by Freeze, and
// packets that a server sends unasked are led elsewhere by Divert.
func (t *Table) Delete(f hostnet.Flow) error {
	attrs, err := key(f)
	if err == nil {
		err = t.change(ctDelete, 0, f, attrs)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("deleting a connection: %w", err)
	}
	return nil
}

// Delete is Table.Delete for a single entry.
func Delete(f hostnet.Flow) error {
	t, err := Open()
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Delete(f)
}
