package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/rules"
)

// LatchTable is the nftables table, of family inet, that the latch is.
const LatchTable = "dockwall"

const (
	// afterGuard is the priority of the latch's chains: right after the security
	// table's (NF_IP_PRI_SECURITY, 50), which has seen every packet that filter has.
	afterGuard = 51
	// ownedTable is NFT_TABLE_F_OWNER (Linux 5.12): only the socket that made
	// the table can change it, `nft flush ruleset` passes it by, and it goes when
	// the socket does.
	ownedTable = 0x2
	// persistentTable is NFT_TABLE_F_PERSIST (Linux 6.9): the table stays when the
	// socket goes, and then has no owner.
	persistentTable = 0x4
	// outKind is NFT_META_OIFKIND (Linux 5.1), the kernel's name of the sort of link
	// that the packet leaves by, padded like the name of one.
	outKind     = expr.MetaKey(27)
	latchAnswer = 5 * time.Second
	// confirmed is IPS_CONFIRMED: not the first packet of its connection.
	confirmed = 1 << 3
)

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
	// is what it was shut for last.
	is *rules.Latch
}

// Shut makes it the latch of these interfaces and ports, in one transaction.
// After an error it is open.
func (l *Latch) Shut(want rules.Latch) error {
	if l.is != nil && reflect.DeepEqual(*l.is, want) {
		return nil
	}
	err := l.shut(want)
	if err != nil {
		return errors.Join(fmt.Errorf("shutting the latch (nftables table inet %s): %w", LatchTable, err), l.Lift())
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
	l.write(want)
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
		l.conn.DelTable(l.table)
		err = l.conn.Flush()
	}
	err = errors.Join(err, l.conn.CloseLasting())
	*l = Latch{}
	return err
}

// RemoveLatch takes away the latch of an agent that was killed, and reports whether
// there was one. That of an agent that lives stays.
func RemoveLatch() (removed bool, err error) {
	conn, err := nftables.New()
	if err != nil {
		return false, err
	}
	conn.DelTable(latchTable())
	switch err := conn.Flush(); {
	case err == nil:
		return true, nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EINVAL):
		return false, nil
	default:
		return false, fmt.Errorf("taking away the latch (nftables table inet %s): %w", LatchTable, err)
	}
}

func latchTable() *nftables.Table {
	return &nftables.Table{Name: LatchTable, Family: nftables.TableFamilyINet}
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
	table := latchTable()
	err = l.makeTable()
	if errors.Is(err, os.ErrExist) {
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

// makeTable makes the table so that it stays where the kernel can do that.
func (l *Latch) makeTable() error {
	err := l.makeTableWith(ownedTable | persistentTable)
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return l.makeTableWith(ownedTable)
	}
	return err
}

// makeTableWith sends what google/nftables has no word for: flags.
func (l *Latch) makeTableWith(flags uint32) error {
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_TABLE_NAME, Data: []byte(LatchTable + "\x00")},
		{Type: unix.NFTA_TABLE_FLAGS, Data: binary.BigEndian.AppendUint32(nil, flags)},
	})
	if err != nil {
		return err
	}
	const batch = unix.NFNL_SUBSYS_NFTABLES
	_, err = l.sock.SendMessages([]netlink.Message{
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_BEGIN, Flags: netlink.Request}, Data: []byte{unix.AF_UNSPEC, 0, 0, batch}},
		{Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_NEWTABLE, Flags: netlink.Request | netlink.Acknowledge | netlink.Create | netlink.Excl},
			Data: append([]byte{unix.NFPROTO_INET, 0, 0, 0}, attrs...)},
		{Header: netlink.Header{Type: unix.NFNL_MSG_BATCH_END, Flags: netlink.Request}, Data: []byte{unix.AF_UNSPEC, 0, 0, batch}},
	})
	if err != nil {
		return err
	}
	_, err = l.sock.Receive()
	return err
}

// write puts the latch's rules together, in place of those that are there.
//
//	forward ─► in, judged? ─► by NIC ─► to ─► a bridge, or unknown? drop
//	output  ─► judged? ──────────────► to
//	input   ─► a closed port ─► ports ─► drop
func (l *Latch) write(want rules.Latch) {
	accept := nftables.ChainPolicyAccept
	base := func(name string, hook *nftables.ChainHook) *nftables.Chain {
		return l.conn.AddChain(&nftables.Chain{Name: name, Table: l.table, Type: nftables.ChainTypeFilter, Hooknum: hook,
			Priority: nftables.ChainPriorityRef(afterGuard), Policy: &accept})
	}
	to, ports := l.conn.AddChain(&nftables.Chain{Name: "to", Table: l.table}), l.conn.AddChain(&nftables.Chain{Name: "ports", Table: l.table})
	forward, output, input := base("forward", nftables.ChainHookForward), base("output", nftables.ChainHookOutput), base("input", nftables.ChainHookInput)
	l.conn.FlushTable(l.table)

	for _, c := range []*nftables.Chain{forward, output, input} {
		l.first(c)
	}
	l.add(output, []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, equal(name(rules.Interface{Name: "lo"}))}, ret())
	l.judged(forward)
	if !want.Tight {
		l.judged(output)
	}
	for _, i := range slices.Concat(want.NotDocker, want.Uplinks) {
		l.add(forward, from(i), goTo(to))
	}
	for _, i := range want.Docker {
		l.add(forward, from(i), drop())
	}
	l.add(forward, goTo(to))
	l.add(output, goTo(to))

	for _, i := range slices.Concat(want.NotDocker, want.Bridges) {
		l.add(to, towards(i), ret())
	}
	for _, i := range want.Docker {
		l.add(to, towards(i), drop())
	}
	l.add(to, []expr.Any{&expr.Meta{Key: outKind, Register: 1}, equal(name(rules.Interface{Name: "bridge"}))}, drop())
	for _, i := range want.Elsewhere {
		l.add(to, towards(i), ret())
	}
	l.add(to, drop())

	l.add(input, from(rules.Interface{Name: "lo"}), ret())
	for _, p := range want.Ports {
		l.add(input, tcpPorts(p), goTo(ports))
	}
	for _, p := range want.From {
		l.add(ports, source(p), ret())
	}
	l.add(ports, drop())
}

// first lets pass what does not begin a connection: that was judged when it did,
// or conntrack knows nothing of it and the guard has its say. The first packet of
// a connection that a conntrack helper expects is RELATED; an ICMP error is too,
// but its entry is that of the connection it is about, which is confirmed.
func (l *Latch) first(c *nftables.Chain) {
	l.add(c, bits(expr.CtKeySTATUS, confirmed, expr.CmpOpNeq), ret())
	l.add(c, bits(expr.CtKeySTATE, expr.CtStateBitNEW|expr.CtStateBitRELATED, expr.CmpOpEq), ret())
}

// judged lets pass what bears the stamp, and takes the stamp off.
func (l *Latch) judged(c *nftables.Chain) {
	l.add(c, []expr.Any{
		&expr.Meta{Key: expr.MetaKeyPRIORITY, Register: 1}, equal(word(rules.StampClass)),
		&expr.Immediate{Register: 1, Data: word(0)}, &expr.Meta{Key: expr.MetaKeyPRIORITY, SourceRegister: true, Register: 1},
	}, ret())
}

func (l *Latch) add(c *nftables.Chain, parts ...[]expr.Any) {
	var all []expr.Any
	for _, p := range parts {
		all = append(all, p...)
	}
	l.conn.AddRule(&nftables.Rule{Table: l.table, Chain: c, Exprs: append([]expr.Any{}, all...)})
}

func ret() []expr.Any  { return []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}} }
func drop() []expr.Any { return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}} }

func goTo(c *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: c.Name}}
}

func from(i rules.Interface) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1}, equal(name(i))}
}

func towards(i rules.Interface) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1}, equal(name(i))}
}

func equal(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }

// name is what is compared with an interface's name, which the kernel pads.
func name(i rules.Interface) []byte {
	if i.Prefix {
		return []byte(i.Name)
	}
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, i.Name)
	return padded
}

// bits holds for packets of whose connection's key these bits are all clear
// (CmpOpEq), or not (CmpOpNeq).
func bits(key expr.CtKey, mask uint32, op expr.CmpOp) []expr.Any {
	return []expr.Any{&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: word(mask), Xor: word(0)},
		&expr.Cmp{Op: op, Register: 1, Data: word(0)}}
}

func tcpPorts(p rules.PortRange) []expr.Any {
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
		&expr.Range{Op: expr.CmpOpEq, Register: 1, FromData: binary.BigEndian.AppendUint16(nil, p.Lo), ToData: binary.BigEndian.AppendUint16(nil, p.Hi)},
	}
}

// source holds for packets from the prefix.
func source(p netip.Prefix) []expr.Any {
	family, offset := byte(unix.NFPROTO_IPV4), uint32(12)
	if p.Addr().Is6() {
		family, offset = unix.NFPROTO_IPV6, 8
	}
	bytes := uint32(p.Addr().BitLen() / 8)
	mask, none := make([]byte, bytes), make([]byte, bytes)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	return []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, equal([]byte{family}),
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: bytes},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: bytes, Mask: mask, Xor: none}, equal(p.Masked().Addr().AsSlice()),
	}
}

// word is in the byte order of the kernel's registers.
func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
