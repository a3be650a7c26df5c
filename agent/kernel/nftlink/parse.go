package nftlink

import (
	"bytes"
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"

	"dockwall/rules"
	"dockwall/rules/nft"
)

// expression is one of a rule's, as the kernel has it.
type expression struct {
	name string
	data []byte
}

// expressions splits a rule's list.
func expressions(list []byte) (all []expression, err error) {
	err = each(list, func(_ uint16, elem []byte) {
		e := expression{}
		_ = each(elem, func(typ uint16, data []byte) {
			switch typ {
			case unix.NFTA_EXPR_NAME:
				e.name = text(data)
			case unix.NFTA_EXPR_DATA:
				e.data = data
			}
		})
		all = append(all, e)
	})
	return all, err
}

// statements reads a rule's expressions. The first that is not as dockwall writes it ends
// the statements as an nft.Foreign.
func statements(all []expression) nft.Statements {
	var p parser
	for _, e := range all {
		if !p.next(e) {
			return append(p.done, nft.Foreign{Name: e.name})
		}
	}
	if len(p.loaded) > 0 || p.immediate != nil {
		return append(p.done, nft.Foreign{Name: all[len(all)-1].name})
	}
	return p.done
}

// parser reads expressions in order.
type parser struct {
	done nft.Statements
	// loaded are the fields in the registers that no statement has used yet, and word is
	// the first register behind them.
	loaded []nft.Key
	word   int
	// immediate is what was written to the first register.
	immediate []byte
}

// next takes an expression; false if dockwall does not write it, or not here.
func (p *parser) next(e expression) bool {
	if p.immediate != nil && e.name != "meta" {
		return false
	}
	switch e.name {
	case "meta":
		return p.meta(e.data)
	case "ct", "payload":
		f, dreg, ok := fieldOf(e)
		return ok && p.load(f, dreg)
	case "bitwise":
		return p.bitwise(e.data)
	case "cmp":
		return p.cmp(e.data)
	case "range":
		return p.ranges(e.data)
	case "lookup":
		return p.lookup(e.data)
	}
	if len(p.loaded) > 0 {
		return false
	}
	if e.name == "immediate" {
		return p.constant(e.data)
	}
	s, ok := alone(e)
	if ok {
		p.done = append(p.done, s)
	}
	return ok
}

// use ends the fields that were loaded with the statement that uses them.
func (p *parser) use(s nft.Statement) bool {
	p.done, p.loaded, p.word = append(p.done, s), nil, 0
	return true
}

func (p *parser) load(f nft.Field, dreg uint64) bool {
	n := fieldBytes(f)
	if n == 0 || dreg != uint64(register(p.word)) {
		return false
	}
	p.loaded, p.word = append(p.loaded, nft.Key{Field: f}), p.word+words(n)
	return true
}

func (p *parser) meta(data []byte) bool {
	v, ok := only(data, unix.NFTA_META_KEY, unix.NFTA_META_DREG, unix.NFTA_META_SREG)
	if !ok || v[0] == nil {
		return false
	}
	key := uint32(number(v[0]))
	if v[2] == nil {
		return p.immediate == nil && p.load(nft.Field{Key: key}, number(v[1]))
	}
	if v[1] != nil || key != nft.MetaPriority || len(p.immediate) != 4 || number(v[2]) != uint64(register(0)) {
		return false
	}
	p.done = append(p.done, nft.SetPriority{Priority: binary.NativeEndian.Uint32(p.immediate)})
	p.immediate = nil
	return true
}

// fieldOf reads an expression that loads a piece of conntrack's entry or of a header.
func fieldOf(e expression) (f nft.Field, dreg uint64, ok bool) {
	if e.name == "ct" {
		v, ok := only(e.data, unix.NFTA_CT_KEY, unix.NFTA_CT_DREG, unix.NFTA_CT_DIRECTION)
		f = nft.Field{From: nft.Conntrack, Key: uint32(number(v[0])), Original: v[2] != nil}
		ok = ok && v[0] != nil && number(v[2]) == 0 && (v[2] != nil) == directed(f.Key)
		return f, number(v[1]), ok
	}
	v, ok := only(e.data, unix.NFTA_PAYLOAD_DREG, unix.NFTA_PAYLOAD_BASE, unix.NFTA_PAYLOAD_OFFSET, unix.NFTA_PAYLOAD_LEN)
	for from, base := range bases {
		if uint64(base) == number(v[1]) {
			f = nft.Field{From: from, Offset: uint32(number(v[2])), Len: uint32(number(v[3]))}
		}
	}
	return f, number(v[0]), ok && f.From != nft.Meta
}

// bitwise takes a mask of the field that was loaded last.
func (p *parser) bitwise(data []byte) bool {
	v, ok := only(data, unix.NFTA_BITWISE_SREG, unix.NFTA_BITWISE_DREG, unix.NFTA_BITWISE_LEN, unix.NFTA_BITWISE_MASK, unix.NFTA_BITWISE_XOR, bitwiseOp)
	if !ok || len(p.loaded) == 0 || number(v[5]) != 0 {
		return false
	}
	last := &p.loaded[len(p.loaded)-1]
	n := fieldBytes(last.Field)
	reg := uint64(register(p.word - words(n)))
	mask, okMask := value(v[3])
	xor, okXor := value(v[4])
	if last.Mask != nil || !okMask || !okXor || number(v[0]) != reg || number(v[1]) != reg || number(v[2]) != uint64(n) ||
		len(mask) != n || !bytes.Equal(xor, make([]byte, n)) {
		return false
	}
	last.Mask = bytes.Clone(mask)
	return true
}

// bitwiseOp is NFTA_BITWISE_OP; NFT_BITWISE_BOOL, which is meant without it, is 0.
const bitwiseOp = 6

// compared begins a Test of the one field that was loaded.
func (p *parser) compared(sreg, op []byte) (t nft.Test, ok bool) {
	if len(p.loaded) != 1 || number(sreg) != uint64(register(0)) {
		return t, false
	}
	t = nft.Test{Field: p.loaded[0].Field, Mask: p.loaded[0].Mask}
	switch number(op) {
	case unix.NFT_CMP_EQ:
	case unix.NFT_CMP_NEQ:
		t.Not = true
	default:
		return t, false
	}
	return t, true
}

func (p *parser) cmp(data []byte) bool {
	v, ok := only(data, unix.NFTA_CMP_SREG, unix.NFTA_CMP_OP, unix.NFTA_CMP_DATA)
	t, okField := p.compared(v[0], v[1])
	with, okData := value(v[2])
	if !ok || !okField || !okData {
		return false
	}
	t.Data = bytes.Clone(with)
	return p.use(t)
}

func (p *parser) ranges(data []byte) bool {
	v, ok := only(data, unix.NFTA_RANGE_SREG, unix.NFTA_RANGE_OP, unix.NFTA_RANGE_FROM_DATA, unix.NFTA_RANGE_TO_DATA)
	t, okField := p.compared(v[0], v[1])
	from, okFrom := value(v[2])
	to, okTo := value(v[3])
	if !ok || !okField || !okFrom || !okTo {
		return false
	}
	t.Data, t.To = bytes.Clone(from), bytes.Clone(to)
	return p.use(t)
}

func (p *parser) lookup(data []byte) bool {
	v, ok := only(data, unix.NFTA_LOOKUP_SET, unix.NFTA_LOOKUP_SREG, unix.NFTA_LOOKUP_DREG, unix.NFTA_LOOKUP_FLAGS, unix.NFTA_LOOKUP_SET_ID)
	flags := number(v[3])
	// A set that belongs to a rule alone is none that dockwall writes.
	if !ok || strings.HasPrefix(text(v[0]), anonymous) || len(p.loaded) == 0 || number(v[1]) != uint64(register(0)) || flags&^unix.NFT_LOOKUP_F_INV != 0 {
		return false
	}
	if v[2] == nil {
		return p.use(nft.Lookup{Keys: p.loaded, Set: text(v[0]), Not: flags != 0})
	}
	return flags == 0 && number(v[2]) == unix.NFT_REG_VERDICT && p.use(nft.Dispatch{Keys: p.loaded, Map: text(v[0])})
}

// anonymous is how the names of sets begin that belong to one rule.
const anonymous = "__"

// constant takes a verdict, or what SetPriority writes to the register first.
func (p *parser) constant(data []byte) bool {
	v, ok := only(data, unix.NFTA_IMMEDIATE_DREG, unix.NFTA_IMMEDIATE_DATA)
	if !ok {
		return false
	}
	if number(v[0]) == unix.NFT_REG_VERDICT && v[0] != nil {
		verdict, ok := verdictOf(v[1])
		if ok {
			p.done = append(p.done, verdict)
		}
		return ok
	}
	with, ok := value(v[1])
	p.immediate = with
	return ok && number(v[0]) == uint64(register(0))
}

// verdictOf reads an attribute that holds a verdict. Not ok: dockwall gives no such verdict.
func verdictOf(b []byte) (nft.Verdict, bool) {
	v, ok := only(b, unix.NFTA_DATA_VERDICT)
	if !ok || v[0] == nil {
		return nft.Verdict{}, false
	}
	v, ok = only(v[0], unix.NFTA_VERDICT_CODE, unix.NFTA_VERDICT_CHAIN)
	if !ok || v[0] == nil {
		return nft.Verdict{}, false
	}
	code := int32(uint32(number(v[0])))
	for _, kind := range []rules.VerdictKind{rules.Return, rules.Drop, rules.Jump, rules.Goto} {
		if verdicts[kind] == code {
			return nft.Verdict{Kind: kind, Chain: text(v[1])}, true
		}
	}
	return nft.Verdict{}, false
}

// alone reads a statement that is one expression and uses no register.
func alone(e expression) (nft.Statement, bool) {
	switch e.name {
	case "counter":
		return nft.Count{}, true
	case "limit":
		v, ok := only(e.data, unix.NFTA_LIMIT_RATE, unix.NFTA_LIMIT_UNIT, unix.NFTA_LIMIT_BURST, unix.NFTA_LIMIT_TYPE, unix.NFTA_LIMIT_FLAGS, unix.NFTA_LIMIT_PAD)
		ok = ok && number(v[1]) == 1 && number(v[3]) == unix.NFT_LIMIT_PKTS && number(v[4]) == 0
		return nft.Limit{Rate: uint32(number(v[0])), Burst: uint32(number(v[2]))}, ok && number(v[0]) <= 1<<32-1
	case "log":
		v, ok := only(e.data, unix.NFTA_LOG_GROUP, unix.NFTA_LOG_PREFIX)
		return nft.Log{Group: uint16(number(v[0])), Prefix: text(v[1])}, ok && v[0] != nil
	case "reject":
		v, ok := only(e.data, unix.NFTA_REJECT_TYPE, unix.NFTA_REJECT_ICMP_CODE)
		switch number(v[0]) {
		case rejectReset:
			return nft.Reject{Reset: true}, ok
		case rejectInet:
			return nft.Reject{}, ok && number(v[1]) == rejectPort
		}
	}
	return nil, false
}
