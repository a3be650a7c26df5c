package kernel

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"dockwall/rules"
	"dockwall/rules/nft"
)

// exprs are the expressions of a rule of the latch.
func exprs(r nft.Rule) []expr.Any {
	all := []expr.Any{}
	for _, s := range r.Statements {
		switch s := s.(type) {
		case nft.Test:
			all = append(all, test(s)...)
		case nft.Count:
			all = append(all, &expr.Counter{})
		case nft.SetPriority:
			all = append(all, &expr.Immediate{Register: 1, Data: word(s.Priority)},
				&expr.Meta{Key: expr.MetaKeyPRIORITY, SourceRegister: true, Register: 1})
		case nft.Verdict:
			all = append(all, &expr.Verdict{Kind: verdictKind(s.Kind), Chain: s.Chain})
		default:
			panic(fmt.Sprintf("agent/kernel does not know the statement %T", s))
		}
	}
	return all
}

func test(t nft.Test) []expr.Any {
	all := []expr.Any{load(t.Field)}
	if t.Mask != nil {
		bytes := uint32(len(t.Mask))
		all = append(all, &expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: bytes, Mask: t.Mask, Xor: make([]byte, bytes)})
	}
	op := expr.CmpOpEq
	if t.Not {
		op = expr.CmpOpNeq
	}
	if t.To != nil {
		return append(all, &expr.Range{Op: op, Register: 1, FromData: t.Data, ToData: t.To})
	}
	return append(all, &expr.Cmp{Op: op, Register: 1, Data: t.Data})
}

func load(f nft.Field) expr.Any {
	switch f.From {
	case nft.Meta:
		return &expr.Meta{Key: expr.MetaKey(f.Key), Register: 1}
	case nft.Conntrack:
		return &expr.Ct{Key: expr.CtKey(f.Key), Register: 1}
	case nft.NetworkHeader:
		return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: f.Offset, Len: f.Len}
	case nft.TransportHeader:
		return &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: f.Offset, Len: f.Len}
	}
	panic(fmt.Sprintf("agent/kernel does not know the field %+v", f))
}

func verdictKind(k rules.VerdictKind) expr.VerdictKind {
	switch k {
	case rules.Return:
		return expr.VerdictReturn
	case rules.Drop:
		return expr.VerdictDrop
	case rules.Jump:
		return expr.VerdictJump
	case rules.Goto:
		return expr.VerdictGoto
	}
	panic(fmt.Sprintf("agent/kernel does not know the verdict %q", k))
}

// writer adds rules to the tables that dockwall writes by hand.
type writer struct {
	conn  *nftables.Conn
	table *nftables.Table
}

func (w writer) add(c *nftables.Chain, parts ...[]expr.Any) {
	all := []expr.Any{}
	for _, p := range parts {
		all = append(all, p...)
	}
	w.conn.AddRule(&nftables.Rule{Table: w.table, Chain: c, Exprs: all})
}

func ret() []expr.Any  { return []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}} }
func drop() []expr.Any { return []expr.Any{&expr.Counter{}, &expr.Verdict{Kind: expr.VerdictDrop}} }

func goTo(c *nftables.Chain) []expr.Any {
	return []expr.Any{&expr.Verdict{Kind: expr.VerdictGoto, Chain: c.Name}}
}

func equal(data []byte) expr.Any { return &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: data} }

// bits holds for packets of whose connection's key these bits are all clear
// (CmpOpEq), or not (CmpOpNeq).
func bits(key expr.CtKey, mask uint32, op expr.CmpOp) []expr.Any {
	return []expr.Any{&expr.Ct{Key: key, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: word(mask), Xor: word(0)},
		&expr.Cmp{Op: op, Register: 1, Data: word(0)}}
}

// word is in the byte order of the kernel's registers.
func word(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

// ifname is a name as the kernel pads it.
func ifname(name string) []byte {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return padded
}
