package nftlink

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sys/unix"

	"dockwall/rules/nft"
)

const (
	// batchGenID is NFNL_BATCH_GENID: the generation that the batch was made for.
	batchGenID = 1
	// elementsAtOnce is how many elements a message has, and listBytes how long their list
	// may become: an attribute has at most 64 KiB, and its length wraps around silently.
	elementsAtOnce = 1000
	listBytes      = 60 << 10
	inet           = unix.NFPROTO_INET
)

// batch is a transaction as it is sent: one buffer with all messages. Sequence numbers
// begin with first.
type batch struct {
	writer
	table string
	flags uint32
	first uint32
	// ops are the operations that the messages belong to, by their place after the
	// batch's beginning.
	ops []int
	// sets is how many sets were added.
	sets uint32
}

// newBatch writes the operations on the table. AddTable makes it with the flags.
// generation, if it is not 0, is the one that the transaction is for. The error names the
// operation that cannot be written.
func newBatch(table string, flags uint32, ops nft.Ops, generation, first uint32) (*batch, error) {
	b := &batch{table: table, flags: flags, first: first}
	b.edge(unix.NFNL_MSG_BATCH_BEGIN, func() {
		if generation != 0 {
			b.u32(batchGenID, generation)
		}
	})
	for i, op := range ops {
		if err := b.op(i, op); err != nil {
			return nil, &OpError{Index: i, Op: op, Err: err}
		}
	}
	if len(b.ops) > 0 {
		b.acknowledgeLast()
	}
	return b, nil
}

// end writes the end, without which the kernel checks the transaction and aborts it.
func (b *batch) end() { b.edge(unix.NFNL_MSG_BATCH_END, func() {}) }

// edge writes the beginning or the end of the transaction.
func (b *batch) edge(typ uint16, attrs func()) {
	at := b.header(typ, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	attrs()
	b.finish(at)
}

func (b *batch) header(typ, flags uint16, family byte, resource uint16) (at int) {
	at = len(b.b)
	b.b = binary.NativeEndian.AppendUint32(b.b, 0)
	b.b = binary.NativeEndian.AppendUint16(b.b, typ)
	b.b = binary.NativeEndian.AppendUint16(b.b, flags)
	seq := b.first
	if typ != unix.NFNL_MSG_BATCH_BEGIN {
		seq += uint32(len(b.ops)) + 1
	}
	b.b = binary.NativeEndian.AppendUint32(b.b, seq)
	b.b = binary.NativeEndian.AppendUint32(b.b, 0)
	b.b = append(b.b, family, unix.NFNETLINK_V0)
	b.b = binary.BigEndian.AppendUint16(b.b, resource)
	return at
}

func (b *batch) finish(at int) {
	binary.NativeEndian.PutUint32(b.b[at:], uint32(len(b.b)-at))
}

// message writes a request of the operation.
func (b *batch) message(op int, typ, flags uint16, attrs func() error) error {
	at := b.header(unix.NFNL_SUBSYS_NFTABLES<<8|typ, unix.NLM_F_REQUEST|flags, inet, 0)
	err := attrs()
	b.finish(at)
	b.ops = append(b.ops, op)
	return err
}

// last is the sequence number of the last request.
func (b *batch) last() uint32 { return b.first + uint32(len(b.ops)) }

// acknowledgeLast has the kernel answer the last request, once the transaction is in force.
// All others are answered only if they are refused: many answers would overflow the socket.
func (b *batch) acknowledgeLast() {
	at := 0
	for range b.ops {
		at += (int(binary.NativeEndian.Uint32(b.b[at:])) + 3) &^ 3
	}
	flags := binary.NativeEndian.Uint16(b.b[at+6:])
	binary.NativeEndian.PutUint16(b.b[at+6:], flags|unix.NLM_F_ACK)
}

// op writes one operation.
func (b *batch) op(i int, op nft.Op) error {
	named := func(attrs ...func()) func() error {
		return func() error {
			for _, a := range attrs {
				a()
			}
			return nil
		}
	}
	str := func(typ uint16, s string) func() { return func() { b.text(typ, s) } }
	switch op := op.(type) {
	case nft.AddTable:
		return b.message(i, unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, named(str(unix.NFTA_TABLE_NAME, b.table), func() { b.u32(unix.NFTA_TABLE_FLAGS, b.flags) }))
	case nft.DeleteTable:
		return b.message(i, unix.NFT_MSG_DELTABLE, 0, named(str(unix.NFTA_TABLE_NAME, b.table)))
	case nft.AddChain:
		return b.message(i, unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE, func() error { b.chain(op); return nil })
	case nft.FlushChain:
		return b.message(i, unix.NFT_MSG_DELRULE, 0, named(str(unix.NFTA_RULE_TABLE, b.table), str(unix.NFTA_RULE_CHAIN, op.Name)))
	case nft.DeleteChain:
		return b.message(i, unix.NFT_MSG_DELCHAIN, 0, named(str(unix.NFTA_CHAIN_TABLE, b.table), str(unix.NFTA_CHAIN_NAME, op.Name)))
	case nft.AddRule:
		return b.message(i, unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, func() error { return b.rule(op) })
	case nft.AddSet:
		b.sets++
		err := b.message(i, unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE, func() error { return b.set(b.table, op.Set, b.sets) })
		if err != nil {
			return err
		}
		return b.elements(i, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, op.Set.Name, op.Set.Elements)
	case nft.DeleteSet:
		return b.message(i, unix.NFT_MSG_DELSET, 0, named(str(unix.NFTA_SET_TABLE, b.table), str(unix.NFTA_SET_NAME, op.Name)))
	case nft.AddElements:
		return b.elements(i, unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE, op.Set, op.Elements)
	case nft.DeleteElements:
		return b.elements(i, unix.NFT_MSG_DELSETELEM, 0, op.Set, op.Elements)
	}
	return fmt.Errorf("the operation %T cannot be written", op)
}

func (b *batch) chain(c nft.AddChain) {
	b.text(unix.NFTA_CHAIN_TABLE, b.table)
	b.text(unix.NFTA_CHAIN_NAME, c.Name)
	if c.Hook == nil {
		return
	}
	at := b.open(unix.NFTA_CHAIN_HOOK)
	b.u32(unix.NFTA_HOOK_HOOKNUM, uint32(c.Hook.Point))
	b.u32(unix.NFTA_HOOK_PRIORITY, uint32(c.Hook.Priority))
	b.close(at)
	b.u32(unix.NFTA_CHAIN_POLICY, accept)
	b.text(unix.NFTA_CHAIN_TYPE, "filter")
}

func (b *batch) rule(r nft.AddRule) error {
	b.text(unix.NFTA_RULE_TABLE, b.table)
	b.text(unix.NFTA_RULE_CHAIN, r.Chain)
	at := b.open(unix.NFTA_RULE_EXPRESSIONS)
	for _, s := range r.Rule.Statements {
		if err := b.statement(s); err != nil {
			return err
		}
	}
	if b.size(at) > math.MaxUint16 {
		return fmt.Errorf("the rule takes %d bytes; an attribute of netlink holds %d", b.size(at), math.MaxUint16)
	}
	b.close(at)
	if len(r.Rule.Comment) > nft.MaxComment {
		return fmt.Errorf("the comment has %d bytes; nft takes %d", len(r.Rule.Comment), nft.MaxComment)
	}
	if r.Rule.Comment != "" {
		b.bytes(unix.NFTA_RULE_USERDATA, appendComment(nil, udataRuleComment, r.Rule.Comment))
	}
	return nil
}

// elements writes elements, some in each message. Without any there is no message: one that
// deletes no element deletes all.
func (b *batch) elements(i int, typ, flags uint16, set string, es []nft.Element) error {
	for part := range slices.Chunk(es, elementsAtOnce) {
		for len(part) > 0 {
			n := 0
			err := b.message(i, typ, flags, func() error {
				b.text(unix.NFTA_SET_ELEM_LIST_TABLE, b.table)
				b.text(unix.NFTA_SET_ELEM_LIST_SET, set)
				at := b.open(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
				defer b.close(at)
				for ; n < len(part) && b.size(at) < listBytes; n++ {
					if err := b.element(part[n]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			part = part[n:]
		}
	}
	return nil
}
