package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// tables is what a transaction writes, walked without a kernel: the messages that
// would be sent are kept, and read back as the kernel's list would be.
type tables struct {
	t    *testing.T
	sent []netlink.Message
	conn *nftables.Conn
	// sets are the members of the sets, by name, each as the registers hold it.
	sets map[string][]string
}

func newTables(t *testing.T) *tables {
	t.Helper()
	w := &tables{t: t, sets: map[string][]string{}}
	conn, err := nftables.New(nftables.WithTestDial(func(req []netlink.Message) ([]netlink.Message, error) {
		if len(req) == 1 && req[0].Header.Type == nftType(unix.NFT_MSG_GETRULE) {
			return w.rules(req[0]), nil
		}
		w.sent = append(w.sent, req...)
		return req, nil
	}))
	must(t, err)
	w.conn = conn
	return w
}

func nftType(msg int) netlink.HeaderType {
	return netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | msg)
}

// text is an attribute's value of a message, up to its zero.
func text(t *testing.T, m netlink.Message, attr uint16) string {
	t.Helper()
	ad, err := netlink.NewAttributeDecoder(m.Data[4:])
	must(t, err)
	for ad.Next() {
		if ad.Type() == attr {
			return ad.String()
		}
	}
	return ""
}

// rules are the sent rules of the chain that is asked for.
func (w *tables) rules(asked netlink.Message) []netlink.Message {
	table, chain := text(w.t, asked, unix.NFTA_RULE_TABLE), text(w.t, asked, unix.NFTA_RULE_CHAIN)
	var all []netlink.Message
	for _, m := range w.sent {
		if m.Header.Type == nftType(unix.NFT_MSG_NEWRULE) && text(w.t, m, unix.NFTA_RULE_TABLE) == table && text(w.t, m, unix.NFTA_RULE_CHAIN) == chain {
			m.Header = netlink.Header{Type: m.Header.Type, Flags: netlink.Multi, Sequence: asked.Header.Sequence, PID: asked.Header.PID}
			all = append(all, m)
		}
	}
	done := netlink.Message{Header: netlink.Header{Type: netlink.Done, Flags: netlink.Multi, Sequence: asked.Header.Sequence, PID: asked.Header.PID}, Data: make([]byte, 4)}
	return append(all, done)
}

// packet is what expressions may load, each as the kernel's registers hold it.
type packet struct {
	meta                   map[expr.MetaKey][]byte
	ct                     map[expr.CtKey][]byte
	link, network, payload []byte
}

func (p packet) load(e *expr.Payload) []byte {
	header := map[expr.PayloadBase][]byte{expr.PayloadBaseLLHeader: p.link, expr.PayloadBaseNetworkHeader: p.network, expr.PayloadBaseTransportHeader: p.payload}[e.Base]
	if int(e.Offset+e.Len) > len(header) {
		return nil // the kernel ends the rule
	}
	return header[e.Offset : e.Offset+e.Len]
}

// outcome is what a chain did with a packet.
type outcome struct {
	dropped bool
	// logged are the prefixes of reports.
	logged []string
}

// walk runs the packet through a base chain, as nf_tables does.
func (w *tables) walk(table *nftables.Table, chain string, p packet) outcome {
	w.t.Helper()
	var out outcome
	w.chain(table, chain, p, &out)
	return out
}

// chain reports whether the walk goes on where the chain was entered.
func (w *tables) chain(table *nftables.Table, name string, p packet, out *outcome) bool {
	w.t.Helper()
	rules, err := w.conn.GetRules(table, &nftables.Chain{Name: name})
	must(w.t, err)
	for _, r := range rules {
		verdict := w.rule(r.Exprs, p, out)
		if verdict == nil {
			continue
		}
		switch verdict.Kind {
		case expr.VerdictReturn:
			return true
		case expr.VerdictDrop:
			out.dropped = true
			return false
		case expr.VerdictGoto:
			return w.chain(table, verdict.Chain, p, out)
		case expr.VerdictJump:
			if !w.chain(table, verdict.Chain, p, out) {
				return false
			}
		default:
			w.t.Fatalf("verdict %d", verdict.Kind)
		}
	}
	return true
}

// found reports whether the set has what the registers hold.
func (w *tables) found(set string, registers []byte) bool {
	members := w.sets[set]
	if strings.HasPrefix(set, setMore4) || strings.HasPrefix(set, setMore6) {
		return inInterval(members, registers)
	}
	return slices.ContainsFunc(members, func(m string) bool { return string(registers[:len(m)]) == m })
}

// inInterval does so for a set of ranges, whose members are sorted.
func inInterval(members []string, registers []byte) bool {
	in := false
	for _, m := range members {
		start, end := m, false
		if len(m)%4 == 1 {
			start, end = m[:len(m)-1], true
		}
		if string(registers[:len(start)]) < start {
			break
		}
		in = !end
	}
	return in
}

// rule returns the verdict of a rule that holds; nil if it does not hold, or goes on.
func (w *tables) rule(es []expr.Any, p packet, out *outcome) *expr.Verdict {
	w.t.Helper()
	// Registers 1 to 4 have 16 bytes each and are words 8 and later of the others.
	var file [20 * 4]byte
	at := func(register uint32) []byte {
		if register >= 8 {
			return file[(register-8)*4:]
		}
		return file[(register-1)*16:]
	}
	store := func(register uint32, data []byte) bool {
		clear(at(register)[:(len(data)+3)&^3])
		copy(at(register), data)
		return data != nil
	}
	for _, e := range es {
		holds := true
		switch e := e.(type) {
		case *expr.Meta:
			if !e.SourceRegister {
				holds = store(e.Register, p.meta[e.Key])
			}
		case *expr.Ct:
			holds = store(e.Register, p.ct[e.Key])
		case *expr.Payload:
			holds = store(e.DestRegister, p.load(e))
		case *expr.Immediate:
			store(e.Register, e.Data)
		case *expr.Bitwise:
			for i := range e.Mask {
				at(e.DestRegister)[i] = at(e.SourceRegister)[i]&e.Mask[i] ^ e.Xor[i]
			}
		case *expr.Cmp:
			holds = bytes.Equal(at(e.Register)[:len(e.Data)], e.Data) == (e.Op == expr.CmpOpEq)
		case *expr.Range:
			have := at(e.Register)[:len(e.FromData)]
			holds = (bytes.Compare(have, e.FromData) >= 0 && bytes.Compare(have, e.ToData) <= 0) == (e.Op == expr.CmpOpEq)
		case *expr.Lookup:
			holds = w.found(e.SetName, at(e.SourceRegister)) != e.Invert
		case *expr.Log:
			out.logged = append(out.logged, string(e.Data))
		case *expr.Counter, *expr.Dynset:
		case *expr.Verdict:
			return e
		default:
			w.t.Fatalf("an expression that this test does not know: %T", e)
		}
		if !holds {
			return nil
		}
	}
	return nil
}

// The walk itself, on rules whose outcome is plain.
func TestWalkOfExpressions(t *testing.T) {
	w := newTables(t)
	table := w.conn.AddTable(&nftables.Table{Name: "t", Family: nftables.TableFamilyINet})
	chain := func(name string) *nftables.Chain {
		return w.conn.AddChain(&nftables.Chain{Name: name, Table: table})
	}
	a, b := chain("a"), chain("b")
	r := writer{w.conn, table}
	port := func(n uint16) []expr.Any {
		return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, equal(binary.BigEndian.AppendUint16(nil, n))}
	}
	r.add(a, port(1), jump(b))
	r.add(a, port(2), goTo(b))
	r.add(a, port(3), ret())
	r.add(a, port(4), drop())
	r.add(a, bits(expr.CtKeySTATE, 1<<3, expr.CmpOpNeq), drop())
	r.add(b, port(1), ret())
	must(t, w.conn.Flush())
	for _, tt := range []struct {
		port    uint16
		state   uint32
		dropped bool
	}{{1, 1 << 3, true}, {1, 1 << 1, false}, {2, 1 << 3, false}, {3, 1 << 3, false}, {4, 1 << 1, true}, {5, 1 << 1, false}} {
		p := packet{ct: map[expr.CtKey][]byte{expr.CtKeySTATE: word(tt.state)}, payload: binary.BigEndian.AppendUint16([]byte{0, 0}, tt.port)}
		if got := w.walk(table, "a", p); got.dropped != tt.dropped {
			t.Errorf("port %d in state %d: dropped %v", tt.port, tt.state, got.dropped)
		}
	}
	if got := w.walk(table, "a", packet{ct: map[expr.CtKey][]byte{expr.CtKeySTATE: word(8)}}); !got.dropped {
		t.Error("a packet without ports met a rule about ports")
	}
	if got := fmt.Sprint(text(t, w.sent[1], unix.NFTA_TABLE_NAME)); got != "t" {
		t.Errorf("the first message is about %q", got)
	}
}
