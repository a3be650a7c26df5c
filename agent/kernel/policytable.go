package kernel

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"dockwall/agent/kernel/nftlink"
	"dockwall/netinfo/hostnet"
	contract "dockwall/rules/backend"
	backend "dockwall/rules/backend/nftables"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
)

// PolicyTable is the table, of family inet, that the nftables backend writes the policy
// to. With iptables it is the latch (LatchTable).
const PolicyTable = backend.Table

// ErrForeignTable reports that another program made the table: it is not dockwall's to
// change.
var ErrForeignTable = errors.New("another program made this table")

// policyTable reads and writes the policy's table.
type policyTable struct {
	kernel *Kernel
	// holding: this process is to own the table, so that no other can change it.
	holding bool
	// conn is the socket that owns the table; nil if none does, and each transaction has a
	// socket of its own.
	conn *nftlink.Conn
	// persists is whether the kernel has tables that outlive their owners (Linux 6.9);
	// nil if it was not asked yet.
	persists *bool
	// ours: this process has written the table, or has seen that it is dockwall's.
	ours bool
}

// with calls f with a socket, whose transactions are known to be this process's own.
func (t *policyTable) with(f func(*nftlink.Conn) error) error {
	if t.conn != nil {
		return f(t.conn)
	}
	c, err := nftlink.Dial()
	if err != nil {
		return err
	}
	t.kernel.sockets.begun(c.Socket(), "nftables")
	keep := false
	defer func() {
		if !keep {
			t.kernel.sockets.gone(c.Socket())
			c.Close()
		}
	}()
	if err := f(c); err != nil || !t.holding {
		return err
	}
	if r, ok, err := c.Outline(PolicyTable); err == nil && ok && r.Owner == uint32(c.Socket()) {
		keep, t.conn = true, c
	}
	return nil
}

// canPersist asks the kernel once whether a table may outlive its owner.
func (t *policyTable) canPersist(c *nftlink.Conn) bool {
	if t.persists == nil {
		can := c.Check(PolicyTable+"-able", nftlink.Owner|nftlink.Persist, nft.Ops{nft.AddTable{}}) == nil
		t.persists = &can
	}
	return *t.persists
}

// flags are those that the table is made with. One without an owner is made so that the
// daemon can take it over.
func (t *policyTable) flags(c *nftlink.Conn) uint32 {
	switch {
	case !t.canPersist(c):
		return 0
	case t.holding:
		return nftlink.Owner | nftlink.Persist
	}
	return nftlink.Persist
}

// owned reports whether no other program can change the table once this process has
// written it.
func (t *policyTable) owned() bool {
	if !t.holding {
		return false
	}
	can := false
	_ = t.with(func(c *nftlink.Conn) error { can = t.canPersist(c); return nil })
	return can
}

// read reads the table; nil if there is none. One that cannot be edited into what is wanted
// is taken for absent: edit replaces it in one transaction.
func (t *policyTable) read() (table *nft.Table, generation uint32, err error) {
	err = t.with(func(c *nftlink.Conn) error {
		r, ok, err := c.Read(PolicyTable)
		if err != nil {
			return err
		}
		if !ok {
			generation, err = c.Generation()
			return err
		}
		generation = r.Generation
		if err := t.mine(r); err != nil {
			return err
		}
		if !odd(r) && (!t.holding || !t.canPersist(c) || r.Flags&nftlink.Persist != 0) {
			table = &r.Table
		}
		return nil
	})
	if err != nil && noNFTables(err) {
		return nil, 0, fmt.Errorf("the kernel has no nftables: %w", err)
	}
	return table, generation, err
}

// odd reports whether another program has given the table what dockwall never writes and no
// edit takes back.
func odd(r nftlink.Reading) bool {
	return r.Table.Dormant || slices.ContainsFunc(r.Table.Chains, func(c nft.Chain) bool { return c.Odd }) ||
		slices.ContainsFunc(r.Table.Sets, func(s nft.Set) bool { return s.Odd })
}

// mine is an error if the table is another program's, or another process of dockwall's owns
// it.
func (t *policyTable) mine(r nftlink.Reading) error {
	if t.ours || kindOf(r.Table) != foreignTable {
		t.ours = true
		return nil
	}
	return fmt.Errorf("the nftables table inet %s is not dockwall's: %w (it has the chain %q). dockwall needs the name: move those rules to another table, and delete this one (nft delete table inet %s)",
		PolicyTable, ErrForeignTable, r.Table.Chains[0].Name, PolicyTable)
}

// edit runs the operations in one transaction. Operations that begin with nft.AddTable
// replace what is there.
func (t *policyTable) edit(ops nft.Ops) error {
	err := t.with(func(c *nftlink.Conn) error {
		shift := 0
		if _, makes := first(ops).(nft.AddTable); makes {
			r, there, err := c.Outline(PolicyTable)
			if err != nil {
				return err
			}
			if there {
				if err := t.mine(r); err != nil {
					return err
				}
				shift, ops = 1, append(nft.Ops{nft.DeleteTable{}}, ops...)
			}
		} else if t.holding && t.conn == nil && t.canPersist(c) {
			shift, ops = 1, append(nft.Ops{nft.AddTable{}}, ops...) // takes the table over
		}
		err := c.Commit(PolicyTable, t.flags(c), ops, 0)
		var refused *nftlink.OpError
		if errors.As(err, &refused) && refused.Index >= 0 {
			refused.Index -= shift
		}
		return err
	})
	if err == nil {
		t.ours = true
	}
	return ownerError(err)
}

func first(ops nft.Ops) nft.Op {
	if len(ops) == 0 {
		return nil
	}
	return ops[0]
}

// ownerError says what EPERM means for a table.
func ownerError(err error) error {
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("the nftables table inet %s belongs to a process that runs, such as agentd, and only that can change it: reload that one (systemctl reload dockwall), or stop it first: %w", PolicyTable, err)
	}
	return err
}

// takeOver makes this process the owner of a table that an earlier one left.
func (t *policyTable) takeOver() error {
	if !t.holding || t.conn != nil {
		return nil
	}
	return ownerError(t.with(func(c *nftlink.Conn) error {
		r, ok, err := c.Outline(PolicyTable)
		if err != nil || !ok || r.Flags&nftlink.Persist == 0 || r.Owner != 0 {
			return err
		}
		err = c.Commit(PolicyTable, t.flags(c), nft.Ops{nft.AddTable{}}, 0)
		if err == nil {
			t.kernel.generation++
		}
		return err
	}))
}

// remove deletes the table if it is a policy, and reports whether there was one. Another
// program's table stays.
func (t *policyTable) remove() (removed bool, err error) {
	err = t.with(func(c *nftlink.Conn) error {
		r, ok, err := c.Outline(PolicyTable)
		if err != nil || !ok || kindOf(r.Table) != policyKind {
			return err
		}
		removed = true
		return c.Commit(PolicyTable, 0, nft.Ops{nft.DeleteTable{}}, 0)
	})
	if errors.Is(err, unix.ENOENT) || noNFTables(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("removing the nftables table inet %s: %w", PolicyTable, ownerError(err))
	}
	if removed {
		t.kernel.generation++
		t.ours = false
		t.release()
	}
	return removed, nil
}

// release closes the socket that owns the table. A table that persists stays, without an
// owner.
func (t *policyTable) release() {
	if t.conn != nil {
		t.kernel.sockets.gone(t.conn.Socket())
		t.conn.Close()
		t.conn = nil
	}
}

// able is why the kernel cannot have the table; nil if it can.
func (t *policyTable) able() error {
	return t.with(func(c *nftlink.Conn) error {
		return c.Check(PolicyTable+"-able", 0, nft.Ops{nft.AddTable{}, nft.AddChain{Name: "forward", Hook: &nft.Hook{Point: nft.Forward, Priority: -1}}})
	})
}

// aside calls f with a socket of its own, because another goroutine may be writing.
func aside(f func(*nftlink.Conn) error) error {
	c, err := nftlink.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// counters reads what the rules have matched. The table is one for both families: a rule
// that holds for both counts with IPv4's.
func (t *policyTable) counters(family int) (all []contract.Counter, err error) {
	var counted []nftlink.Counted
	err = aside(func(c *nftlink.Conn) (err error) { counted, err = c.Counters(PolicyTable); return err })
	if err != nil {
		return nil, fmt.Errorf("reading the counters of the nftables table inet %s: %w", PolicyTable, err)
	}
	for _, r := range counted {
		c, ok := backend.CounterOf(r.Chain, r.Rule)
		if ok && (family == 6) == onlyIPv6(r.Rule) {
			c.Packets, c.Bytes = r.Packets, r.Bytes
			all = append(all, c)
		}
	}
	return all, nil
}

// onlyIPv6 reports whether the rule holds for packets of IPv6 alone.
func onlyIPv6(r nft.Rule) bool {
	return slices.ContainsFunc(r.Statements, func(s nft.Statement) bool {
		t, ok := s.(nft.Test)
		return ok && t.Field == nft.Field{Key: nft.MetaNFProto} && len(t.Data) == 1 && (t.Data[0] == unix.NFPROTO_IPV6) != t.Not
	})
}

func (t *policyTable) setSizes() (sets, entries int, err error) {
	err = aside(func(c *nftlink.Conn) (err error) { sets, entries, err = c.SetSizes(PolicyTable); return err })
	return sets, entries, err
}

// tableKind is what a table named like dockwall's is.
type tableKind int

const (
	foreignTable tableKind = iota
	policyKind
	latchKind
)

// kindOf looks at where packets enter the table. One without chains is taken for a policy:
// no program loses a rule with it.
func kindOf(t nft.Table) tableKind {
	kind := foreignTable
	if len(t.Chains) == 0 {
		kind = policyKind
	}
	for _, c := range t.Chains {
		switch {
		case c.Hook == nil:
		case isBase(c):
			return policyKind
		case c.Hook.Priority == backend.LatchPriority && !c.Odd:
			kind = latchKind
		}
	}
	return kind
}

// isBase reports whether packets enter the chain where they enter the policy: before filter,
// or before connection tracking.
func isBase(c nft.Chain) bool {
	bases := map[string]nft.Hook{"forward": {Point: nft.Forward, Priority: -1}, "input": {Point: nft.Input, Priority: -1},
		"output": {Point: nft.Output, Priority: -1}, "prerouting": {Point: nft.Prerouting, Priority: -301}}
	hook, known := bases[c.Name]
	return known && *c.Hook == hook
}

// noNFTables reports whether the error means a kernel without nf_tables (see
// hostnet.ErrNoNFTables).
func noNFTables(err error) bool {
	return errors.Is(err, hostnet.ErrNoNFTables) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EOPNOTSUPP)
}

// editTable runs a step on the policy's table.
func (k *Kernel) editTable(s plan.Step, a plan.EditTable) error {
	if a.Table != PolicyTable {
		return fmt.Errorf("%s: the table inet %s is not the policy's", s.Why, a.Table)
	}
	err := k.policy.edit(a.Ops)
	if err == nil {
		return nil
	}
	se := &StepError{Step: s, Err: err}
	var refused *nftlink.OpError
	if errors.As(err, &refused) && refused.Index >= 0 {
		se.Origin, se.op = a.Origins[refused.Index], refused.Op
	}
	return se
}
