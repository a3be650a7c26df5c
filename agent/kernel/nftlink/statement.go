package nftlink

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"dockwall/rules"
	"dockwall/rules/nft"
)

const (
	// rejectInet is NFT_REJECT_ICMPX_UNREACH: an answer in the packet's own family.
	rejectInet  = 2
	rejectReset = 1 // NFT_REJECT_TCP_RST
	// rejectPort is NFT_REJECT_ICMPX_PORT_UNREACH.
	rejectPort = 1
	accept     = 1 // NF_ACCEPT
)

// verdicts are the kernel's codes.
var verdicts = map[rules.VerdictKind]int32{rules.Return: unix.NFT_RETURN, rules.Drop: 0, rules.Jump: unix.NFT_JUMP, rules.Goto: unix.NFT_GOTO}

// expr writes an expression in a list of them.
func (w *writer) expr(name string, data func()) {
	at := w.open(unix.NFTA_LIST_ELEM)
	w.text(unix.NFTA_EXPR_NAME, name)
	inner := w.open(unix.NFTA_EXPR_DATA)
	data()
	w.close(inner)
	w.close(at)
}

// statement writes the expressions of a statement.
func (w *writer) statement(s nft.Statement) error {
	switch s := s.(type) {
	case nft.Test:
		return w.test(s)
	case nft.Lookup:
		return w.lookup(s.Keys, s.Set, s.Not, false)
	case nft.Dispatch:
		return w.lookup(s.Keys, s.Map, false, true)
	case nft.Count:
		w.expr("counter", func() {
			w.u64(unix.NFTA_COUNTER_BYTES, 0)
			w.u64(unix.NFTA_COUNTER_PACKETS, 0)
		})
	case nft.Limit:
		w.expr("limit", func() {
			w.u64(unix.NFTA_LIMIT_RATE, uint64(s.Rate))
			w.u64(unix.NFTA_LIMIT_UNIT, 1)
			w.u32(unix.NFTA_LIMIT_BURST, s.Burst)
			w.u32(unix.NFTA_LIMIT_TYPE, unix.NFT_LIMIT_PKTS)
			w.u32(unix.NFTA_LIMIT_FLAGS, 0)
		})
	case nft.Log:
		w.expr("log", func() {
			w.u16(unix.NFTA_LOG_GROUP, s.Group)
			if s.Prefix != "" {
				w.text(unix.NFTA_LOG_PREFIX, s.Prefix)
			}
		})
	case nft.SetPriority:
		w.expr("immediate", func() {
			w.u32(unix.NFTA_IMMEDIATE_DREG, register(0))
			w.value(unix.NFTA_IMMEDIATE_DATA, binary.NativeEndian.AppendUint32(nil, s.Priority))
		})
		w.expr("meta", func() {
			w.u32(unix.NFTA_META_KEY, nft.MetaPriority)
			w.u32(unix.NFTA_META_SREG, register(0))
		})
	case nft.Reject:
		w.expr("reject", func() { w.reject(s) })
	case nft.Verdict:
		return w.immediateVerdict(s)
	default:
		return fmt.Errorf("the statement %T cannot be written", s)
	}
	return nil
}

func (w *writer) test(t nft.Test) error {
	if len(t.Data) == 0 || t.To != nil && len(t.To) != len(t.Data) {
		return fmt.Errorf("a test without the bytes to compare with: %+v", t)
	}
	if err := w.load(t.Field, t.Mask, 0); err != nil {
		return err
	}
	op := uint32(unix.NFT_CMP_EQ)
	if t.Not {
		op = unix.NFT_CMP_NEQ
	}
	if t.To == nil {
		w.expr("cmp", func() {
			w.u32(unix.NFTA_CMP_SREG, register(0))
			w.u32(unix.NFTA_CMP_OP, op)
			w.value(unix.NFTA_CMP_DATA, t.Data)
		})
		return nil
	}
	// NFT_RANGE_EQ and NFT_RANGE_NEQ have the numbers of NFT_CMP_EQ and NFT_CMP_NEQ.
	w.expr("range", func() {
		w.u32(unix.NFTA_RANGE_SREG, register(0))
		w.u32(unix.NFTA_RANGE_OP, op)
		w.value(unix.NFTA_RANGE_FROM_DATA, t.Data)
		w.value(unix.NFTA_RANGE_TO_DATA, t.To)
	})
	return nil
}

func (w *writer) lookup(keys []nft.Key, set string, not, verdict bool) error {
	if len(keys) == 0 {
		return fmt.Errorf("a lookup in %s without a key", set)
	}
	if err := w.keys(keys); err != nil {
		return err
	}
	w.expr("lookup", func() {
		w.text(unix.NFTA_LOOKUP_SET, set)
		w.u32(unix.NFTA_LOOKUP_SREG, register(0))
		if verdict {
			w.u32(unix.NFTA_LOOKUP_DREG, unix.NFT_REG_VERDICT)
		}
		if not {
			w.u32(unix.NFTA_LOOKUP_FLAGS, unix.NFT_LOOKUP_F_INV)
		}
	})
	return nil
}

func (w *writer) reject(r nft.Reject) {
	if r.Reset {
		w.u32(unix.NFTA_REJECT_TYPE, rejectReset)
		return
	}
	w.u32(unix.NFTA_REJECT_TYPE, rejectInet)
	w.u8(unix.NFTA_REJECT_ICMP_CODE, rejectPort)
}

func (w *writer) immediateVerdict(v nft.Verdict) error {
	var err error
	w.expr("immediate", func() {
		w.u32(unix.NFTA_IMMEDIATE_DREG, unix.NFT_REG_VERDICT)
		err = w.verdict(unix.NFTA_IMMEDIATE_DATA, v)
	})
	return err
}

// verdict writes the attribute that holds a verdict, in a rule or in a map.
func (w *writer) verdict(typ uint16, v nft.Verdict) error {
	code, known := verdicts[v.Kind]
	if !known || (v.Chain == "") == (v.Kind == rules.Jump || v.Kind == rules.Goto) {
		return fmt.Errorf("the verdict %s %s cannot be written", v.Kind, v.Chain)
	}
	at := w.open(typ)
	inner := w.open(unix.NFTA_DATA_VERDICT)
	w.u32(unix.NFTA_VERDICT_CODE, uint32(code))
	if v.Chain != "" {
		w.text(unix.NFTA_VERDICT_CHAIN, v.Chain)
	}
	w.close(inner)
	w.close(at)
	return nil
}
