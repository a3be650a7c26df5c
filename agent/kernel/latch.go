package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/agent/kernel/nftlink"
	"dockwall/rules"
	backend "dockwall/rules/backend/nftables"
	"dockwall/rules/nft"
)

const (
	// LatchTable is the nftables table, of family inet, that the latch is.
	LatchTable = "dockwall"
	// LatchBesideTable is its name where LatchTable is the policy's (PolicyTable).
	LatchBesideTable = "dockwall-latch"
)

// latchAnswer bounds the wait for the kernel.
const latchAnswer = 5 * time.Second

// Latch is the kernel's side of rules.Latch. It is shut until it is lifted. When the
// agent is killed, the table stays from Linux 6.9 on, and has no owner then: the
// next agent, and RemoveLatch, take it away. Older kernels take it away with the
// socket.
//
// It is for one goroutine, and of the network namespace that Shut was first
// called in.
type Latch struct {
	conn  *nftables.Conn
	sock  *netlink.Conn
	table *nftables.Table
	// kernel is asked which backend is in use; nil stands for iptables.
	kernel *Kernel
	// is what it was shut for last.
	is *rules.Latch
}

// Shut makes it the latch of these interfaces and ports, in one transaction.
// After an error it is open.
func (l *Latch) Shut(want rules.Latch) error {
	if l.table != nil && l.table.Name != l.name() {
		if err := l.Lift(); err != nil {
			return err
		}
	}
	if l.is != nil && reflect.DeepEqual(*l.is, want) {
		return nil
	}
	err := l.shut(want)
	if err != nil {
		return errors.Join(fmt.Errorf("shutting the latch (nftables table inet %s): %w", l.name(), err), l.Lift())
	}
	l.is = &want
	return nil
}

func (l *Latch) shut(want rules.Latch) error {
	if l.conn == nil {
		if err := l.open(); err != nil {
			return err
		}
	}
	if err := l.sock.SetDeadline(time.Now().Add(latchAnswer)); err != nil {
		return err
	}
	if err := l.write(want); err != nil {
		return err
	}
	return l.conn.Flush()
}

// Lift takes it away, or one that a killed agent left.
func (l *Latch) Lift() error {
	if l.conn == nil {
		_, err := RemoveLatch()
		return err
	}
	var err error
	if l.table != nil {
		// The socket's last deadline was for the last change, which may be long ago.
		err = l.sock.SetDeadline(time.Now().Add(latchAnswer))
		l.conn.DelTable(l.table)
		err = errors.Join(err, l.conn.Flush())
	}
	err = errors.Join(err, l.conn.CloseLasting())
	*l = Latch{kernel: l.kernel}
	if err != nil {
		// The table has no owner any more, and another socket may succeed.
		if removed, again := RemoveLatch(); removed {
			return nil
		} else if again != nil {
			return errors.Join(err, again)
		}
	}
	return err
}

// RemoveLatch takes away the latch of an agent that was killed, and reports whether
// there was one. That of an agent that lives stays, and so does a table of its name that is
// a policy, or another program's.
func RemoveLatch() (removed bool, err error) {
	c, err := nftlink.Dial()
	if err != nil {
		return false, err
	}
	defer c.Close()
	for _, name := range []string{LatchTable, LatchBesideTable} {
		r, there, err := c.Outline(name)
		if err == nil && there && (name == LatchBesideTable || kindOf(r.Table) == latchKind || len(r.Table.Chains) == 0 && r.Owner == 0) {
			err = c.Commit(name, 0, nft.Ops{nft.DeleteTable{}}, 0)
			removed = removed || err == nil
		}
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EPERM) && !noNFTables(err) {
			return removed, fmt.Errorf("taking away the latch (nftables table inet %s): %w", name, err)
		}
	}
	return removed, nil
}

// name is the table's name: LatchTable unless the policy has that.
func (l *Latch) name() string {
	if l.kernel != nil && l.kernel.writing == backend.Name {
		return LatchBesideTable
	}
	return LatchTable
}

func (l *Latch) inet() *nftables.Table {
	return &nftables.Table{Name: l.name(), Family: nftables.TableFamilyINet}
}

// open makes the table, empty.
func (l *Latch) open() error {
	var err error
	l.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(func(c *netlink.Conn) error {
		l.sock = c
		return c.SetDeadline(time.Now().Add(latchAnswer))
	}))
	if err != nil {
		return err
	}
	table := l.inet()
	err = l.makeTable()
	if errors.Is(err, os.ErrExist) {
		if err := policyStands(table.Name); err != nil {
			return err
		}
		// A killed agent left it, or a program restored what `nft list ruleset` had
		// printed: it has no owner. A table that has an owner stays.
		l.conn.DelTable(table)
		if err = l.conn.Flush(); err == nil {
			err = l.makeTable()
		}
	}
	if err == nil {
		l.table = table
	}
	return err
}

// policyStands is an error if the table is a policy, which the latch must not take away.
func policyStands(name string) error {
	c, err := nftlink.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	if r, there, err := c.Outline(name); err != nil || !there || kindOf(r.Table) != policyKind || len(r.Table.Chains) == 0 {
		return err
	}
	return fmt.Errorf("the nftables backend's policy is still in the table inet %s", name)
}

// makeTable makes the table so that it stays where the kernel can do that.
func (l *Latch) makeTable() error {
	err := l.makeTableWith(nftlink.Owner | nftlink.Persist)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return l.makeTableWith(nftlink.Owner)
	}
	return err
}

// makeTableWith sends what google/nftables has no word for: flags.
func (l *Latch) makeTableWith(flags uint32) error {
	begin, errBegin := batchEdge(unix.NFNL_MSG_BATCH_BEGIN)
	table, errTable := tableMessage(unix.NFT_MSG_NEWTABLE, netlink.Acknowledge|netlink.Create|netlink.Excl, unix.NFPROTO_INET,
		nftString(unix.NFTA_TABLE_NAME, l.name()), netlink.Attribute{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, flags)})
	end, errEnd := batchEdge(unix.NFNL_MSG_BATCH_END)
	if err := errors.Join(errBegin, errTable, errEnd); err != nil {
		return err
	}
	if _, err := l.sock.SendMessages([]netlink.Message{begin, table, end}); err != nil {
		return err
	}
	_, err := l.sock.Receive()
	return err
}

// write puts the latch's rules in place of those that are there.
func (l *Latch) write(want rules.Latch) error {
	chains, err := backend.LatchChains(want.Ruleset())
	if err != nil {
		return err
	}
	accept := nftables.ChainPolicyAccept
	for _, c := range chains {
		made := &nftables.Chain{Name: c.Name, Table: l.table}
		if c.Hook != nil {
			made.Type, made.Hooknum, made.Policy = nftables.ChainTypeFilter, nftables.ChainHookRef(nftables.ChainHook(c.Hook.Point)), &accept
			made.Priority = nftables.ChainPriorityRef(nftables.ChainPriority(c.Hook.Priority))
		}
		l.conn.AddChain(made)
	}
	l.conn.FlushTable(l.table)
	for _, c := range chains {
		for _, r := range c.Rules {
			l.conn.AddRule(&nftables.Rule{Table: l.table, Chain: &nftables.Chain{Name: c.Name, Table: l.table}, Exprs: exprs(r)})
		}
	}
	return nil
}
