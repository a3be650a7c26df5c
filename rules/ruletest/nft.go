package ruletest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/nftables"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
	"dockwall/rules/trace"
)

// NFT is a pretended kernel with nf_tables. It holds dockwall's table, and has the errors
// of the real one.
type NFT struct {
	// Table is nil if it is not there.
	Table *nft.Table
}

// Clone copies the table.
func (k *NFT) Clone() *NFT {
	if k.Table == nil {
		return &NFT{}
	}
	t := &nft.Table{Name: k.Table.Name, Sets: slices.Clone(k.Table.Sets), Chains: slices.Clone(k.Table.Chains)}
	for i := range t.Sets {
		t.Sets[i].Elements = slices.Clone(t.Sets[i].Elements)
	}
	for i := range t.Chains {
		t.Chains[i].Rules = slices.Clone(t.Chains[i].Rules)
	}
	return &NFT{t}
}

// State is what the backend observes.
func (k *NFT) State() nftables.State { return nftables.NewState(k.Clone().Table) }

// Run does one step, whole or not at all.
func (k *NFT) Run(s plan.Step) error {
	switch a := s.Action.(type) {
	case plan.Settle:
		return nil
	case plan.EditTable:
		next := k.Clone()
		for i, op := range a.Ops {
			if err := next.op(a.Table, op); err != nil {
				return fmt.Errorf("operation %d, %T: %w", i, op, err)
			}
		}
		if err := next.check(); err != nil {
			return err
		}
		*k = *next
		return nil
	}
	return ErrUnknownAction
}

// RunAll runs steps in order up to the first failure that matters.
func (k *NFT) RunAll(steps []plan.Step) error {
	for i, s := range steps {
		if err := k.Run(s); err != nil && !s.MayFail {
			return fmt.Errorf("step %d (%s): %w", i+1, s.Why, err)
		}
	}
	return nil
}

var errNoEntry = errors.New("no such file or directory")

func (k *NFT) op(table string, op nft.Op) error {
	if _, ok := op.(nft.AddTable); ok {
		if k.Table == nil {
			k.Table = &nft.Table{Name: table}
		}
		return nil
	}
	if k.Table == nil || k.Table.Name != table {
		return fmt.Errorf("table %s: %w", table, errNoEntry)
	}
	switch op := op.(type) {
	case nft.DeleteTable:
		k.Table = nil
	case nft.AddChain:
		return k.addChain(op)
	case nft.FlushChain:
		return k.inChain(op.Name, func(c *nft.Chain) error { c.Rules = nil; return nil })
	case nft.DeleteChain:
		return k.deleteChain(op.Name)
	case nft.AddRule:
		return k.addRule(op)
	case nft.AddSet:
		return k.addSet(op.Set)
	case nft.DeleteSet:
		return k.deleteSet(op.Name)
	case nft.AddElements:
		return k.inSet(op.Set, func(s *nft.Set) error { return addElements(s, op.Elements) })
	case nft.DeleteElements:
		return k.inSet(op.Set, func(s *nft.Set) error { return deleteElements(s, op.Elements) })
	default:
		return ErrUnknownAction
	}
	return nil
}

func (k *NFT) addChain(op nft.AddChain) error {
	if i := k.Table.Find(op.Name); i >= 0 {
		if !k.Table.Chains[i].Hook.Equal(op.Hook) {
			return errors.New("the chain is there with another hook")
		}
		return nil
	}
	if op.Name == "" || len(op.Name) > 127 {
		return errors.New("not a name for a chain")
	}
	k.Table.Chains = append(k.Table.Chains, nft.Chain{Name: op.Name, Hook: op.Hook})
	return nil
}

func (k *NFT) inChain(name string, f func(*nft.Chain) error) error {
	i := k.Table.Find(name)
	if i < 0 {
		return fmt.Errorf("chain %s: %w", name, errNoEntry)
	}
	return f(&k.Table.Chains[i])
}

func (k *NFT) deleteChain(name string) error {
	i := k.Table.Find(name)
	switch {
	case i < 0:
		return fmt.Errorf("chain %s: %w", name, errNoEntry)
	case len(k.Table.Chains[i].Rules) > 0:
		return fmt.Errorf("chain %s is not empty", name)
	}
	for _, c := range k.Table.Chains {
		for _, r := range c.Rules {
			for _, s := range r.Statements {
				if v, ok := s.(nft.Verdict); ok && v.Chain == name {
					return fmt.Errorf("chain %s is in use by %s", name, c.Name)
				}
			}
		}
	}
	k.Table.Chains = slices.Delete(k.Table.Chains, i, i+1)
	return nil
}

func (k *NFT) addRule(op nft.AddRule) error {
	if len(op.Rule.Comment) > nft.MaxComment {
		return errors.New("the comment is too long")
	}
	if len(op.Rule.Statements) == 0 {
		return errors.New("a rule without statements")
	}
	for _, s := range op.Rule.Statements {
		if err := k.statement(s); err != nil {
			return err
		}
	}
	return k.inChain(op.Chain, func(c *nft.Chain) error { c.Rules = append(c.Rules, op.Rule); return nil })
}

func (k *NFT) statement(s nft.Statement) error {
	switch s := s.(type) {
	case nft.Verdict:
		if s.Chain == "" {
			return nil
		}
		return k.inChain(s.Chain, func(c *nft.Chain) error {
			if c.Hook != nil {
				return fmt.Errorf("a rule cannot lead to %s, which has a hook", s.Chain)
			}
			return nil
		})
	case nft.Lookup:
		return k.inSet(s.Set, func(set *nft.Set) error {
			if len(set.Key) != len(s.Keys) {
				return fmt.Errorf("set %s has %d parts, not %d", s.Set, len(set.Key), len(s.Keys))
			}
			for i, key := range s.Keys {
				if n := fieldBytes(key.Field); n != set.Key[i].Bytes() {
					return fmt.Errorf("set %s: part %d is of %d bytes, not of %d", s.Set, i+1, set.Key[i].Bytes(), n)
				}
				if key.Mask != nil && len(key.Mask) != fieldBytes(key.Field) {
					return errors.New("the mask has another size than the field")
				}
			}
			return nil
		})
	case nft.Test:
		if s.Mask != nil && len(s.Mask) != fieldBytes(s.Field) || len(s.Data) == 0 || len(s.Data) > fieldBytes(s.Field) || s.To != nil && len(s.To) != len(s.Data) {
			return fmt.Errorf("a test that is no test: %+v", s)
		}
	}
	return nil
}

// fieldBytes is the size of the field in a register.
func fieldBytes(f nft.Field) int {
	switch f.From {
	case nft.Meta:
		switch f.Key {
		case nft.MetaIIFName, nft.MetaOIFName, nft.MetaOIFKind:
			return 16
		case nft.MetaIIFType:
			return 2
		case nft.MetaNFProto, nft.MetaL4Proto:
			return 1
		}
		return 4
	case nft.Conntrack:
		switch f.Key {
		case nft.CtDirection:
			return 1
		case nft.CtProtoDst:
			return 2
		}
		return 4
	}
	return int(f.Len)
}

func (k *NFT) inSet(name string, f func(*nft.Set) error) error {
	i := slices.IndexFunc(k.Table.Sets, func(s nft.Set) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("set %s: %w", name, errNoEntry)
	}
	return f(&k.Table.Sets[i])
}

func (k *NFT) addSet(s nft.Set) error {
	es := s.Elements
	s.Elements = nil
	if i := slices.IndexFunc(k.Table.Sets, func(o nft.Set) bool { return o.Name == s.Name }); i >= 0 {
		if !k.Table.Sets[i].Alike(s) {
			return fmt.Errorf("set %s is there with another type", s.Name)
		}
		return addElements(&k.Table.Sets[i], es)
	}
	if err := addElements(&s, es); err != nil {
		return err
	}
	k.Table.Sets = append(k.Table.Sets, s)
	return nil
}

func (k *NFT) deleteSet(name string) error {
	for _, c := range k.Table.Chains {
		for _, r := range c.Rules {
			for _, s := range r.Statements {
				if l, ok := s.(nft.Lookup); ok && l.Set == name {
					return fmt.Errorf("set %s is in use by %s", name, c.Name)
				}
			}
		}
	}
	i := slices.IndexFunc(k.Table.Sets, func(s nft.Set) bool { return s.Name == name })
	if i < 0 {
		return fmt.Errorf("set %s: %w", name, errNoEntry)
	}
	k.Table.Sets = slices.Delete(k.Table.Sets, i, i+1)
	return nil
}

func addElements(s *nft.Set, es []nft.Element) error {
	size := 0
	for _, t := range s.Key {
		size += (t.Bytes() + 3) / 4 * 4
	}
	if len(s.Key) == 1 {
		size = s.Key[0].Bytes()
	}
	for _, e := range es {
		if len(e.Key) != size {
			return fmt.Errorf("set %s: an element of %d bytes, not of %d", s.Name, len(e.Key), size)
		}
		i, there := slices.BinarySearchFunc(s.Elements, e, nft.Element.Compare)
		if !there {
			s.Elements = slices.Insert(s.Elements, i, e)
		}
	}
	if s.Size > 0 && len(s.Elements) > int(s.Size) {
		return fmt.Errorf("set %s is full", s.Name)
	}
	return nil
}

func deleteElements(s *nft.Set, es []nft.Element) error {
	for _, e := range es {
		i, there := slices.BinarySearchFunc(s.Elements, e, nft.Element.Compare)
		if !there {
			return fmt.Errorf("set %s: element %x: %w", s.Name, e.Key, errNoEntry)
		}
		s.Elements = slices.Delete(s.Elements, i, i+1)
	}
	return nil
}

// maxJumps is NFT_JUMP_STACK_SIZE.
const maxJumps = 16

// check is what the kernel checks before it commits: loops, and depth.
func (k *NFT) check() error {
	if k.Table == nil {
		return nil
	}
	for _, c := range k.Table.Chains {
		if c.Hook != nil {
			if err := k.depth(c, 1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *NFT) depth(c nft.Chain, level int) error {
	if level > maxJumps {
		return errors.New("too many links")
	}
	for _, r := range c.Rules {
		for _, s := range r.Statements {
			if v, ok := s.(nft.Verdict); ok && v.Chain != "" {
				if err := k.depth(k.Table.Chains[k.Table.Find(v.Chain)], level+1); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Seen is what a walk through the table did to a packet.
type Seen struct {
	Dropped bool
	// Logs and Stamps count the packet's meetings with such rules.
	Logs, Stamps int
}

// Walk sends a packet through the chains of a point, as the kernel does.
func (k *NFT) Walk(p trace.Packet, point nft.Point) Seen {
	var w nftWalk
	w.k, w.p = k, p
	if k.Table == nil {
		return w.seen
	}
	points := []nft.Point{point}
	if point == nft.Forward || point == nft.Input {
		points = []nft.Point{nft.Prerouting, point}
	}
	for _, at := range points {
		for _, c := range k.Table.Chains {
			if c.Hook != nil && c.Hook.Point == at && !w.through(c) {
				w.seen.Dropped = true
				return w.seen
			}
		}
	}
	return w.seen
}

type nftWalk struct {
	k    *NFT
	p    trace.Packet
	seen Seen
}

// through reports whether the packet leaves the base chain again.
func (w *nftWalk) through(c nft.Chain) bool {
	type place struct {
		chain nft.Chain
		rule  int
	}
	at, stack := place{chain: c}, []place(nil)
	back := func() bool {
		if len(stack) == 0 {
			return false
		}
		at, stack = stack[len(stack)-1], stack[:len(stack)-1]
		return true
	}
	for {
		if at.rule == len(at.chain.Rules) {
			if !back() {
				return true
			}
			continue
		}
		r := at.chain.Rules[at.rule]
		at.rule++
		v, ok := w.rule(r)
		if !ok {
			continue
		}
		switch v.Kind {
		case rules.Drop:
			return false
		case rules.Return:
			if !back() {
				return true
			}
		case rules.Jump:
			stack = append(stack, at)
			at = place{chain: w.k.Table.Chains[w.k.Table.Find(v.Chain)]}
		case rules.Goto:
			at = place{chain: w.k.Table.Chains[w.k.Table.Find(v.Chain)]}
		}
	}
}

// rule is the rule's verdict; false if a statement fails, or none is a verdict.
func (w *nftWalk) rule(r nft.Rule) (nft.Verdict, bool) {
	for _, s := range r.Statements {
		switch s := s.(type) {
		case nft.Test:
			have, ok := Load(w.p, s.Field)
			if !ok || !TestHolds(s, have) {
				return nft.Verdict{}, false
			}
		case nft.Lookup:
			key, ok := w.key(s.Keys)
			if !ok || w.in(s.Set, key) == s.Not {
				return nft.Verdict{}, false
			}
		case nft.Log:
			w.seen.Logs++
		case nft.SetPriority:
			w.seen.Stamps++
		case nft.Reject:
			return nft.Verdict{Kind: rules.Drop}, true
		case nft.Verdict:
			return s, true
		}
	}
	return nft.Verdict{}, false
}

// TestHolds is the kernel's comparison of a register that holds these bytes.
func TestHolds(t nft.Test, have []byte) bool {
	have = bytes.Clone(have)
	for i := range t.Mask {
		have[i] &= t.Mask[i]
	}
	hit := len(have) >= len(t.Data) && bytes.Equal(have[:len(t.Data)], t.Data)
	if t.To != nil {
		hit = bytes.Compare(have, t.Data) >= 0 && bytes.Compare(have, t.To) <= 0
	}
	return hit != t.Not
}

func (w *nftWalk) key(keys []nft.Key) ([]byte, bool) {
	var all []byte
	for _, k := range keys {
		have, ok := Load(w.p, k.Field)
		if !ok {
			return nil, false
		}
		have = bytes.Clone(have)
		for i := range k.Mask {
			have[i] &= k.Mask[i]
		}
		all = append(all, have...)
		if len(keys) > 1 {
			all = append(all, make([]byte, (4-len(have)%4)%4)...)
		}
	}
	return all, true
}

func (w *nftWalk) in(set string, key []byte) bool {
	for _, s := range w.k.Table.Sets {
		if s.Name == set {
			return slices.ContainsFunc(s.Elements, func(e nft.Element) bool { return bytes.Equal(e.Key, key) })
		}
	}
	panic("ruletest: a rule looks at a set that is not there")
}

// Load is what the kernel loads into a register for a field of the packet; false if it
// cannot, which ends the rule.
func Load(p trace.Packet, f nft.Field) ([]byte, bool) {
	switch f.From {
	case nft.Meta:
		return loadMeta(p, f.Key)
	case nft.Conntrack:
		return loadConn(p, f)
	case nft.LinkHeader:
		return mac(p.SrcMAC)
	case nft.NetworkHeader:
		return loadAddress(p, f)
	case nft.TransportHeader:
		return loadTransport(p, f)
	}
	return nil, false
}

func native(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }

func loadMeta(p trace.Packet, key uint32) ([]byte, bool) {
	name := func(s string) ([]byte, bool) { b := make([]byte, 16); copy(b, s); return b, true }
	switch key {
	case nft.MetaIIFName:
		return name(p.In)
	case nft.MetaOIFName:
		return name(p.Out)
	case nft.MetaIIFType:
		if p.SrcMAC == "" {
			return binary.NativeEndian.AppendUint16(nil, 0xfffe), true // ARPHRD_NONE
		}
		return binary.NativeEndian.AppendUint16(nil, nft.Ethernet), true
	case nft.MetaNFProto:
		if p.Src.Is4() {
			return []byte{nft.ProtoIPv4}, true
		}
		return []byte{nft.ProtoIPv6}, true
	case nft.MetaL4Proto:
		return []byte{byte(p.Proto)}, true
	case nft.MetaPriority:
		if p.Stamped {
			return native(rules.StampClass), true
		}
		return native(0), true
	}
	return nil, false
}

func loadConn(p trace.Packet, f nft.Field) ([]byte, bool) {
	bits := map[rules.ConnState]uint32{rules.StateInvalid: nft.StateInvalid, rules.StateEstablished: nft.StateEstablished,
		rules.StateRelated: nft.StateRelated, rules.StateNew: nft.StateNew, rules.StateUntracked: nft.StateUntracked}
	if f.Key == nft.CtState {
		return native(bits[p.Conn.State]), true
	}
	if p.Conn.State == rules.StateInvalid || p.Conn.State == rules.StateUntracked {
		return nil, false // the packet has no connection
	}
	switch f.Key {
	case nft.CtStatus:
		status := uint32(0)
		if p.Conn.DNAT {
			status |= nft.StatusDNAT
		}
		if p.Conn.Confirmed || p.Conn.State == rules.StateEstablished {
			status |= nft.StatusConfirmed
		}
		return native(status), true
	case nft.CtDirection:
		if p.Conn.Original {
			return []byte{0}, true
		}
		return []byte{1}, true
	case nft.CtProtoDst:
		return binary.BigEndian.AppendUint16(nil, p.Conn.OrigDstPort), f.Original
	}
	return nil, false
}

func mac(text string) ([]byte, bool) {
	var b [6]byte
	n, _ := fmt.Sscanf(text, "%02x:%02x:%02x:%02x:%02x:%02x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5])
	return b[:], n == len(b)
}

func loadAddress(p trace.Packet, f nft.Field) ([]byte, bool) {
	a := p.Src
	switch (nft.Field{Offset: f.Offset, Len: f.Len}) {
	case nft.Field{Offset: 16, Len: 4}, nft.Field{Offset: 24, Len: 16}:
		a = p.Dst
	}
	if a.BitLen() != 8*int(f.Len) {
		panic("ruletest: an address of another family is loaded: the rule does not test the family")
	}
	return a.AsSlice(), true
}

func loadTransport(p trace.Packet, f nft.Field) ([]byte, bool) {
	switch {
	case f.Offset == 2 && f.Len == 2:
		switch p.Proto {
		case netinfo.TCP, netinfo.UDP, netinfo.SCTP:
			return binary.BigEndian.AppendUint16(nil, p.DstPort), true
		case netinfo.ICMP, netinfo.ICMPv6, netinfo.ESP:
			return []byte{0xab, 0xcd}, true // what stands there instead
		}
		return nil, false // the packet is over
	case f.Offset == 13 && f.Len == 1:
		if p.Syn {
			return []byte{0x02 | 0x40}, true
		}
		return []byte{0x10}, true
	case f.Offset == 0 && f.Len == 1:
		return []byte{p.ICMPType}, true
	}
	return nil, false
}
