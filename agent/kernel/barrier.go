package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/hostnet"
)

// BarrierTable is the nftables table, of family inet, that the barrier is. It has
// no owner: it stays when the agent ends.
const BarrierTable = "dockwall-cut"

const (
	// afterTracking is the priority of the barrier's chains: conntrack (-200) has
	// found the packet's entry, NAT (-100) has not changed the packet.
	afterTracking = -150
	// closedFor is how long a direction stays closed after its last packet: the
	// kernel's own time for an established TCP connection.
	closedFor = 5 * 24 * time.Hour
	// brieflyFor is that of a direction that is Brief. The kernel keeps datagrams without
	// a dialogue for 30 seconds.
	brieflyFor = 2 * time.Minute
	// maxClosed is how many directions each set holds: as many as the connection
	// table has entries by default. An element takes some 130 bytes.
	maxClosed = 1 << 18
	// closeAtOnce is how many elements one message takes: an attribute holds 64 KiB.
	closeAtOnce   = 512
	barrierAnswer = 5 * time.Second

	// firstRegister is NFT_REG32_00: keys are longer than the 16 bytes of the
	// registers 1 to 4.
	firstRegister = 8

	// ctID is NFT_CT_ID (Linux 5.2): the number of the packet's conntrack entry.
	ctID = expr.CtKey(23)
)

// Barrier keeps connections that were cut from coming back. A packet that has one
// of the closed directions and belongs to no established connection is dropped
// before it can make a conntrack entry. TCP SYNs are not: the rules judge them.
// A direction with a NIC is closed to every packet but a SYN that comes in by
// that NIC. Each packet that is dropped has its direction stay closed for
// another closedFor.
//
// It needs nf_tables, whichever variant of iptables is in use. It works in the
// network namespace of the calling thread.
type Barrier struct {
	// noID: the kernel cannot tell connections apart by their number (before Linux
	// 5.2). Then only the direction that has the NIC is closed.
	noID bool
}

// closedSet is one of the table's sets.
type closedSet struct {
	*nftables.Set
	four, nics bool
}

// Close closes the directions, some hundred in each transaction.
func (b *Barrier) Close(ds []hostnet.Direction) error {
	err := b.close(ds)
	if !b.noID && (errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP)) {
		b.noID = true
		if err = b.close(ds); err != nil {
			b.noID = false
		}
	}
	if errors.Is(err, unix.EEXIST) {
		// A table of this name has sets of another kind: an earlier version of
		// dockwall made it.
		if err = b.Remove(); err == nil {
			err = b.close(ds)
		}
	}
	if err != nil {
		return fmt.Errorf("closing connections (nftables table inet %s): %w", BarrierTable, err)
	}
	return nil
}

func (b *Barrier) close(ds []hostnet.Direction) error {
	conn, err := barrierConn()
	if err != nil {
		return err
	}
	sets, err := writeBarrier(conn)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(ds, func(d hostnet.Direction) bool { return d.NIC != "" }) {
		if err := writeNICs(conn, sets, !b.noID); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(ds, closeAtOnce) {
		for _, s := range sets {
			if es := s.elements(part); len(es) > 0 {
				if err := conn.SetAddElements(s.Set, es); err != nil {
					return err
				}
			}
		}
		if err := conn.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// Open opens the directions again; one that is not closed is no error.
func (b *Barrier) Open(ds []hostnet.Direction) error {
	conn, err := barrierConn()
	if err != nil {
		return fmt.Errorf("opening connections: %w", err)
	}
	if there, err := barrierThere(conn); err != nil || !there {
		return err
	}
	for _, s := range barrierSets(barrierTable()) {
		es := s.elements(ds)
		if len(es) == 0 {
			continue
		}
		there, err := conn.GetSetElements(s.Set)
		if err != nil {
			return fmt.Errorf("opening connections: %w", err)
		}
		closed := map[string]bool{}
		for _, e := range there {
			closed[string(e.Key)] = true
		}
		es = slices.DeleteFunc(es, func(e nftables.SetElement) bool { return !closed[string(e.Key)] })
		for part := range slices.Chunk(es, closeAtOnce) {
			if err := conn.SetDeleteElements(s.Set, part); err != nil {
				return fmt.Errorf("opening connections: %w", err)
			}
		}
	}
	if err := conn.Flush(); err != nil && !errors.Is(err, unix.ENOENT) { // one has expired
		return fmt.Errorf("opening connections: %w", err)
	}
	return nil
}

// Stands reports whether the table exists, and removes it if nothing in it is closed
// any more.
func (b *Barrier) Stands() (bool, error) {
	conn, err := barrierConn()
	if err != nil {
		return false, fmt.Errorf("looking for closed connections: %w", err)
	}
	if there, err := barrierThere(conn); err != nil || !there {
		return false, err
	}
	for _, s := range barrierSets(barrierTable()) {
		es, err := conn.GetSetElements(s.Set)
		if err != nil {
			return false, fmt.Errorf("looking for closed connections: %w", err)
		}
		if len(es) > 0 {
			return true, nil
		}
	}
	return false, b.Remove()
}

// Remove removes the table. It is no error if there is none.
func (b *Barrier) Remove() error {
	_, err := removeBarrier()
	return err
}

// removeBarrier reports whether there was a table.
func removeBarrier() (bool, error) {
	conn, err := barrierConn()
	if err != nil {
		return false, fmt.Errorf("removing the nftables table inet %s: %w", BarrierTable, err)
	}
	conn.DelTable(barrierTable())
	switch err := conn.Flush(); {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPROTONOSUPPORT):
		return false, nil // no such table, or no nf_tables
	default:
		return false, fmt.Errorf("removing the nftables table inet %s: %w", BarrierTable, err)
	}
}

func barrierConn() (*nftables.Conn, error) {
	return nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		return c.SetDeadline(time.Now().Add(barrierAnswer))
	}))
}

// barrierThere reports whether the table exists.
func barrierThere(conn *nftables.Conn) (bool, error) {
	tables, err := conn.ListTablesOfFamily(nftables.TableFamilyINet)
	if err != nil {
		return false, fmt.Errorf("listing the nftables tables: %w", err)
	}
	return slices.ContainsFunc(tables, func(t *nftables.Table) bool { return t.Name == BarrierTable }), nil
}

func barrierTable() *nftables.Table {
	return &nftables.Table{Name: BarrierTable, Family: nftables.TableFamilyINet}
}

func barrierSets(t *nftables.Table) []closedSet {
	var sets []closedSet
	for _, four := range []bool{true, false} {
		addr, version := nftables.TypeIP6Addr, "6"
		if four {
			addr, version = nftables.TypeIPAddr, "4"
		}
		service := nftables.TypeInetService
		add := func(name string, nics bool, types ...nftables.SetDatatype) {
			sets = append(sets, closedSet{&nftables.Set{Table: t, Name: name + version, KeyType: nftables.MustConcatSetType(types...),
				Concatenation: true, Dynamic: true, HasTimeout: true, Timeout: closedFor, Size: maxClosed}, four, nics})
		}
		add("ends", false, nftables.TypeInetProto, addr, service, addr, service)
		add("nics", true, addr, service, addr, service, nftables.TypeIFName)
	}
	return sets
}

// writeBarrier writes the table, whether or not it is there already. Its elements
// stay, and so does the chain nics, which writeNICs fills.
//
//	prerouting, output ─► SYN? passes ─► established? ─► nics
//	                                     └► else ──────► ends
//	ends ─► closed? drop
//	nics ─► came by a closed NIC before? drop ─► NIC closed to it? drop, and remember
func writeBarrier(conn *nftables.Conn) ([]closedSet, error) {
	t := conn.AddTable(barrierTable())
	sets := barrierSets(t)
	for _, s := range sets {
		if err := conn.AddSet(s.Set, nil); err != nil {
			return nil, err
		}
	}
	accept := nftables.ChainPolicyAccept
	base := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		return conn.AddChain(&nftables.Chain{Name: name, Table: t, Type: nftables.ChainTypeFilter, Hooknum: hook,
			Priority: nftables.ChainPriorityRef(afterTracking), Policy: &accept})
	}
	ends, nics := conn.AddChain(&nftables.Chain{Name: "ends", Table: t}), conn.AddChain(&nftables.Chain{Name: "nics", Table: t})
	in, out := base("prerouting", nftables.ChainHookPrerouting), base("output", nftables.ChainHookOutput)
	l := writer{conn, t}
	for _, c := range []*nftables.Chain{ends, in, out} {
		conn.FlushChain(c)
	}
	known := bits(expr.CtKeySTATE, expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED, expr.CmpOpNeq)
	for _, c := range []*nftables.Chain{in, out} {
		l.add(c, syn(), ret())
		l.add(c, known, goTo(nics))
		l.add(c, goTo(ends))
	}
	for _, s := range sets {
		if !s.nics {
			l.add(ends, s.has(), drop())
		}
	}
	return sets, nil
}

// writeNICs writes the chain nics. Each packet of each connection goes through it, so
// it stays empty until a NIC is closed.
func writeNICs(conn *nftables.Conn, sets []closedSet, ids bool) error {
	l := writer{conn, barrierTable()}
	nics := &nftables.Chain{Name: "nics", Table: l.table}
	conn.FlushChain(nics)
	var remember []expr.Any
	if ids {
		gone := &nftables.Set{Table: l.table, Name: "gone", KeyType: nftables.TypeMark, Dynamic: true, HasTimeout: true, Timeout: closedFor, Size: maxClosed}
		if err := conn.AddSet(gone, nil); err != nil {
			return err
		}
		id, update := &expr.Ct{Key: ctID, Register: 1}, &expr.Dynset{SrcRegKey: 1, SetName: gone.Name, SetID: gone.ID, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: closedFor}
		l.add(nics, []expr.Any{id, &expr.Lookup{SourceRegister: 1, SetName: gone.Name, SetID: gone.ID}, update}, drop())
		remember = []expr.Any{id, update}
	}
	for _, s := range sets {
		if !s.nics {
			continue
		}
		if ids {
			l.add(nics, s.has(), remember) // a rule of its own: it ends where the set is full
		}
		l.add(nics, s.has(), drop())
	}
	return nil
}

// syn holds for TCP packets that open a connection.
func syn() []expr.Any {
	const finSynRstAck, onlySyn, flagsAt = 0x17, 0x02, 13
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: flagsAt, Len: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 1, Mask: []byte{finSynRstAck}, Xor: []byte{0}}, equal([]byte{onlySyn}),
	}
}

// has holds for packets whose direction is in the set, and has it stay there.
func (s closedSet) has() []expr.Any {
	family, source, dest, length := byte(unix.NFPROTO_IPV6), uint32(8), uint32(24), uint32(16)
	if s.four {
		family, source, dest, length = unix.NFPROTO_IPV4, 12, 16, 4
	}
	all := []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{family})}
	register := uint32(firstRegister)
	load := func(base expr.PayloadBase, offset, length uint32) {
		all = append(all, &expr.Payload{DestRegister: register, Base: base, Offset: offset, Len: length})
		register += (length + 3) / 4
	}
	if s.nics {
		all = append(all, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP}))
	} else {
		all = append(all, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register})
		register++
	}
	load(expr.PayloadBaseNetworkHeader, source, length)
	load(expr.PayloadBaseTransportHeader, 0, 2)
	load(expr.PayloadBaseNetworkHeader, dest, length)
	load(expr.PayloadBaseTransportHeader, 2, 2)
	if s.nics {
		all = append(all, &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: register})
	}
	return append(all, &expr.Lookup{SourceRegister: firstRegister, SetName: s.Name, SetID: s.ID},
		&expr.Dynset{SrcRegKey: firstRegister, SetName: s.Name, SetID: s.ID, Operation: unix.NFT_DYNSET_OP_UPDATE, Timeout: closedFor})
}

// elements are the set's keys of those directions that belong into it. A protocol
// without ports has none.
func (s closedSet) elements(ds []hostnet.Direction) []nftables.SetElement {
	var es []nftables.SetElement
	seen := map[string]bool{}
	for _, d := range ds {
		if d.Src.Is4() != s.four || (d.NIC != "") != s.nics || d.SrcPort == 0 && d.DstPort == 0 {
			continue
		}
		if key := s.key(d); !seen[string(key)] {
			seen[string(key)] = true
			e := nftables.SetElement{Key: key, Timeout: closedFor}
			if d.Brief {
				e.Timeout = brieflyFor
			}
			es = append(es, e)
		}
	}
	return es
}

// key has each part at a boundary of four bytes.
func (s closedSet) key(d hostnet.Direction) []byte {
	var key []byte
	if !s.nics {
		key = append(key, byte(d.Proto), 0, 0, 0)
	}
	for _, end := range []netip.AddrPort{netip.AddrPortFrom(d.Src, d.SrcPort), netip.AddrPortFrom(d.Dst, d.DstPort)} {
		key = append(key, end.Addr().AsSlice()...)
		key = append(binary.BigEndian.AppendUint16(key, end.Port()), 0, 0)
	}
	if s.nics {
		key = append(key, ifname(d.NIC)...)
	}
	return key
}
