package hostnet

import (
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// FlowTable changes the connection tracking table, over one socket for many
// changes. It is for one goroutine at a time.
type FlowTable struct{ conn *netlink.Conn }

// OpenFlowTable opens the table of the calling thread's network namespace.
func OpenFlowTable() (*FlowTable, error) {
	conn, err := dialNetfilter()
	if err != nil {
		return nil, fmt.Errorf("opening the connection table: %w", err)
	}
	return &FlowTable{conn}, nil
}

// Close closes the socket.
func (t *FlowTable) Close() error { return t.conn.Close() }

// change does one request and waits for the kernel's answer.
func (t *FlowTable) change(typ netlink.HeaderType, flags netlink.HeaderFlags, f Flow, attrs []byte) error {
	if err := t.conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	req := nfMessage(typ, netlink.Acknowledge|flags, f.af(), 0)
	req.Data = append(req.Data, attrs...)
	_, err := t.conn.Execute(req)
	return err
}

// Delete removes this entry from the table; one that is gone already is no
// error. The next packet of the connection makes a new entry, in that packet's
// direction, if the rules let it pass: a TCP connection of the host's own
// sockets is cut by DestroyTCPSockets instead, a forwarded one by Freeze, and
// what answers unasked is led elsewhere by Divert.
func (t *FlowTable) Delete(f Flow) error {
	attrs, err := f.key()
	if err == nil {
		err = t.change(ctDelete, 0, f, attrs)
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("deleting a connection: %w", err)
	}
	return nil
}

// DeleteFlow is FlowTable.Delete for a single entry.
func DeleteFlow(f Flow) error {
	t, err := OpenFlowTable()
	if err != nil {
		return err
	}
	defer t.Close()
	return t.Delete(f)
}
