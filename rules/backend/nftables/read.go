package nftables

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/nft"
)

// Ruleset reads a state back. Lines are taken to be of one rule only if that rule, written
// again, gives exactly these lines; otherwise each line is a rule of its own, which looks at
// the kernel's own sets. unread counts the lines that dockwall cannot have written.
func (Backend) Ruleset(have backend.State) (rs rules.Ruleset, unread int) {
	s := state(have)
	if s.Table == nil {
		return rs, 0
	}
	r := newReader(s)
	for _, c := range s.Table.Chains {
		if c.Hook == nil {
			r.rs.Chains = append(r.rs.Chains, rules.Chain{Name: c.Name, Rules: r.rules(c.Rules)})
			continue
		}
		r.hooked(c)
	}
	r.rs.Sets = r.sets()
	return r.rs, r.unread
}

type reader struct {
	state  State
	writer *writer
	// bases are the sets by base name, kernel those by their own.
	bases  map[string]*rules.Set
	kernel map[string]*rules.Set
	// used are the kernel's sets that rules of one line look at.
	used   map[string]bool
	rs     rules.Ruleset
	unread int
}

func newReader(s State) *reader {
	r := &reader{state: s, bases: map[string]*rules.Set{}, kernel: map[string]*rules.Set{}, used: map[string]bool{},
		writer: &writer{sets: map[string]*kernelSet{}, have: s}}
	for _, set := range s.Table.Sets {
		r.set(set)
	}
	for _, s := range r.bases {
		rules.SortMembers(s.Members)
		r.writer.sets[s.Name].sort()
	}
	return r
}

func (r *reader) set(set nft.Set) {
	base, family, bits, ok := split(set.Name)
	typ, known := typeOf(family, set.Key)
	if !ok || !known || set.Map || set.Interval {
		return
	}
	one := &rules.Set{Name: set.Name, Type: typ, Members: make([]rules.Member, 0, len(set.Elements))}
	for _, e := range set.Elements {
		m, ok := member(typ, place{family, bits}, e)
		if !ok {
			return
		}
		one.Members = append(one.Members, m)
	}
	r.kernel[set.Name] = one
	whole := r.bases[base]
	switch {
	case whole == nil:
		whole = &rules.Set{Name: base, Type: typ}
		r.bases[base] = whole
		r.writer.sets[base] = &kernelSet{base: base, typ: typ}
	case whole.Type != typ:
		return
	}
	whole.Members = append(whole.Members, one.Members...)
	r.writer.sets[base].add(family, bits)
}

// sets are all by their base names, and those of the kernel that rules look at.
func (r *reader) sets() []rules.Set {
	var out []rules.Set
	for _, s := range r.bases {
		out = append(out, *s)
	}
	for name := range r.used {
		if r.bases[name] == nil {
			out = append(out, *r.kernel[name])
		}
	}
	slices.SortFunc(out, func(a, b rules.Set) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// hooked reads a chain where packets enter. If another program has put rules into it, the
// chain is one of the ruleset's.
func (r *reader) hooked(c nft.Chain) {
	base, ok := bases[c.Name]
	if !ok || !c.Hook.Equal(hookOf(base)) {
		r.unread += len(c.Rules)
		return
	}
	if len(c.Rules) == 1 {
		if v, ok := lone(c.Rules[0]); ok && v.Kind == rules.Goto && r.state.chain(v.Chain) != nil {
			r.rs.Hooks = append(r.rs.Hooks, rules.Hook{Base: base, Chain: v.Chain})
			return
		}
	}
	r.rs.Hooks = append(r.rs.Hooks, rules.Hook{Base: base, Chain: c.Name})
	r.rs.Chains = append(r.rs.Chains, rules.Chain{Name: c.Name, Rules: r.rules(c.Rules)})
}

func lone(r nft.Rule) (nft.Verdict, bool) {
	if len(r.Statements) != 1 {
		return nft.Verdict{}, false
	}
	v, ok := r.Statements[0].(nft.Verdict)
	return v, ok
}

func (r *reader) rules(lines []nft.Rule) []rules.Rule {
	var out []rules.Rule
	failed := map[string]int{} // guesses, by comment
	for len(lines) > 0 {
		about := lines[0].Comment
		if failed[about] < maxFailures {
			if one, n := r.together(lines); n > 0 {
				out, lines = append(out, one), lines[n:]
				continue
			}
			failed[about]++
		}
		if one, ok := r.line(lines[0]); ok {
			out = append(out, one)
		} else {
			r.unread++
		}
		lines = lines[1:]
	}
	return out
}

// together guesses a rule from its first lines, and reports how many lines it is. A guess
// counts if the rule gives these lines; the one that gives most is taken.
func (r *reader) together(lines []nft.Rule) (rules.Rule, int) {
	about := parseComment(lines[0].Comment)
	if about.id == "" {
		return rules.Rule{}, 0
	}
	var best rules.Rule
	most := 0
	for i, line := range lines {
		if i == maxGuesses || line.Comment != lines[0].Comment {
			break
		}
		for _, guess := range r.guesses(line) {
			guess.Origin = about.origin()
			if n := r.lines(guess, lines); n > most {
				best, most = guess, n
			}
		}
	}
	return best, most
}

// maxGuesses is how many lines of a rule are looked at: the first may be those of packets
// that have no ports, which look at no set.
const maxGuesses = 4

// maxFailures is how often a rule of many lines is guessed in vain.
const maxFailures = 4

// lines is how many of the lines the rule gives, one by one; 0 if it gives others.
func (r *reader) lines(guess rules.Rule, lines []nft.Rule) int {
	if !r.resolves(guess) {
		return 0
	}
	again, err := r.writer.rule(guess)
	if err != nil || len(again) > len(lines) {
		return 0
	}
	for i, a := range again {
		if !a.Same(lines[i]) || lines[i].Comment != lines[0].Comment {
			return 0
		}
	}
	return len(again)
}

func (r *reader) resolves(rule rules.Rule) bool {
	if rule.Verdict.Chain != "" && r.state.chain(rule.Verdict.Chain) == nil {
		return false
	}
	return !slices.ContainsFunc(rule.Match, func(m rules.Match) bool {
		in, ok := m.(rules.InSet)
		return ok && r.writer.sets[in.Set] == nil
	})
}

// guesses are the rules that a line may be the first of: with the test of the family as a
// match of its own, and as what the lookups imply.
func (r *reader) guesses(line nft.Rule) []rules.Rule {
	var out []rules.Rule
	for _, reject := range []bool{true, false} { // otherwise the two lines of a reject are two rules
		for _, family := range []bool{false, true} {
			for _, each := range []bool{false, true} {
				p := parser{reader: r, merge: true, family: family, reject: reject, each: each}
				if one, ok := p.parse(line); ok {
					out = append(out, one)
				}
			}
		}
	}
	return out
}

// line reads one line as a rule of its own.
func (r *reader) line(line nft.Rule) (rules.Rule, bool) {
	p := parser{reader: r, family: true}
	one, ok := p.parse(line)
	if !ok || one.Verdict.Chain != "" && r.state.chain(one.Verdict.Chain) == nil {
		return rules.Rule{}, false
	}
	if p.never { // the same as none
		one = rules.Rule{Match: []rules.Match{rules.InInterface{Prefix: true, Not: true}}, Verdict: one.Verdict}
	}
	for _, name := range p.used {
		r.used[name] = true
	}
	one.Origin = parseComment(line.Comment).origin()
	return one, true
}

// parser reads the statements of a line.
type parser struct {
	reader *reader
	// merge: a lookup in one of a set's kernel sets stands for one in all of them.
	merge bool
	// family: the test of the family is a match. Otherwise the lookups imply it.
	family bool
	// reject: the first line of a reject of any protocol, whose test of TCP is no match.
	reject bool
	// each: a line of one protocol of those that have ports, whose test of it is no match.
	each bool

	out   rules.Rule
	proto rules.Protocol
	used  []string
	seen  int // the family that was tested
	never bool
}

func (p *parser) parse(line nft.Rule) (rules.Rule, bool) {
	ss := line.Statements
	if len(ss) == 0 {
		return p.out, false
	}
	verdict, n := p.verdict(ss)
	if n == 0 {
		return p.out, false
	}
	p.out.Verdict = verdict
	ss = ss[:len(ss)-n]
	if p.reject {
		t, ok := last(ss).(nft.Test)
		if verdict.Kind != rules.Reject || !ok || t.Field != l4Proto {
			return p.out, false
		}
		ss = ss[:len(ss)-1]
	}
	for i, s := range ss {
		if !p.statement(s, ss[i+1:]) {
			return p.out, false
		}
	}
	return p.out, true
}

func last(ss nft.Statements) nft.Statement {
	if len(ss) == 0 {
		return nil
	}
	return ss[len(ss)-1]
}

// verdict reads the line's last statements, and says how many they are.
func (p *parser) verdict(ss nft.Statements) (rules.Verdict, int) {
	n := 1
	if len(ss) > 1 {
		if _, ok := ss[len(ss)-2].(nft.Count); ok {
			n = 2
		}
	}
	switch s := ss[len(ss)-1].(type) {
	case nft.Verdict:
		switch s.Kind {
		case rules.Return, rules.Drop, rules.Jump, rules.Goto:
			return rules.Verdict{Kind: s.Kind, Chain: s.Chain}, n
		}
	case nft.Log:
		return rules.Verdict{Kind: rules.Log, Group: s.Group, Prefix: s.Prefix}, n
	case nft.Reject:
		return rules.Verdict{Kind: rules.Reject}, n
	case nft.SetPriority:
		if s.Priority == rules.StampClass {
			return rules.Verdict{Kind: rules.Stamp}, n
		}
	}
	return rules.Verdict{}, 0
}

func (p *parser) add(m rules.Match) bool {
	p.out.Match = append(p.out.Match, m)
	return true
}

func (p *parser) statement(s nft.Statement, rest nft.Statements) bool {
	switch s := s.(type) {
	case nft.Test:
		return p.test(s, rest)
	case nft.Lookup:
		return p.lookup(s, rest)
	case nft.Limit:
		return p.add(rules.Limit{Rate: int(s.Rate), Burst: int(s.Burst)})
	}
	return false
}

func (p *parser) test(t nft.Test, rest nft.Statements) bool {
	switch t.Field {
	case nfProto:
		return p.familyTest(t, rest)
	case l4Proto:
		if p.each && excludes(rest) {
			return true
		}
		return p.protocol(t)
	case nft.Field{Key: nft.MetaIIFName}:
		name, prefix, ok := nameOf(t)
		return ok && p.add(rules.InInterface{Name: name, Prefix: prefix, Not: t.Not})
	case nft.Field{Key: nft.MetaOIFName}:
		name, prefix, ok := nameOf(t)
		return ok && p.add(rules.OutInterface{Name: name, Prefix: prefix, Not: t.Not})
	case nft.Field{Key: nft.MetaIIFType}:
		next, ok := first(rest).(nft.Test)
		return ok && next.Field == etherSource && !t.Not && t.Mask == nil && t.To == nil && slices.Equal(t.Data, etherType)
	case etherSource:
		return len(t.Data) == 6 && t.Mask == nil && t.To == nil && p.add(rules.SourceMAC{MAC: macOf(t.Data), Not: t.Not})
	case dport:
		lo, hi, ok := portsOf(t)
		return ok && hasPorts(p.proto) && p.add(rules.DestPort{Lo: lo, Hi: hi})
	case tcpFlags:
		return p.proto == netinfo.TCP && t.To == nil && slices.Equal(t.Mask, []byte{synMask}) && slices.Equal(t.Data, []byte{synFlag}) && p.add(rules.Syn{Not: t.Not})
	case icmpType:
		return (p.proto == netinfo.ICMP || p.proto == netinfo.ICMPv6) && t.Mask == nil && t.To == nil && len(t.Data) == 1 && p.add(rules.ICMPType{Type: t.Data[0], Not: t.Not})
	case ctState, ctStatus, ctDirection, ctPort:
		return p.conn(t)
	}
	return p.address(t)
}

func first(ss nft.Statements) nft.Statement {
	if len(ss) == 0 {
		return nil
	}
	return ss[0]
}

// excludes reports whether the next statement but the family's test is that a packet is not
// in a set.
func excludes(ss nft.Statements) bool {
	if t, ok := first(ss).(nft.Test); ok && t.Field == nfProto {
		ss = ss[1:]
	}
	l, ok := first(ss).(nft.Lookup)
	return ok && l.Not
}

// familyTest reads the test of the family. What comes after it may imply it.
func (p *parser) familyTest(t nft.Test, rest nft.Statements) bool {
	if t.Not || t.Mask != nil || t.To != nil || len(t.Data) != 1 {
		return false
	}
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	switch t.Data[0] {
	case nft.ProtoIPv4:
		p.seen = 4
	case nft.ProtoIPv6:
		p.seen, all = 6, netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	default:
		return false
	}
	if !p.family {
		return true
	}
	side := rules.Src
	for _, s := range rest {
		if t, ok := s.(nft.Test); ok && t.Field.From == nft.NetworkHeader {
			if !p.merge {
				return true // the address has the family
			}
			if t.Field == address(p.seen, rules.Src) {
				side = rules.Dst
			}
		}
	}
	if side == rules.Dst {
		return p.add(rules.Destination{Prefix: all})
	}
	return p.add(rules.Source{Prefix: all})
}

func (p *parser) protocol(t nft.Test) bool {
	if t.Mask != nil || t.To != nil || len(t.Data) != 1 {
		return false
	}
	proto := rules.Protocol(t.Data[0])
	if t.Not {
		return false
	}
	if p.proto != 0 {
		p.never = p.never || p.proto != proto
		return true
	}
	p.proto = proto
	return p.add(rules.Proto{Proto: proto})
}

func nameOf(t nft.Test) (name string, prefix, ok bool) {
	if t.Mask != nil || t.To != nil || len(t.Data) > nameSize || len(t.Data) == 0 {
		return "", false, false
	}
	if len(t.Data) < nameSize {
		return string(t.Data), true, !slices.Contains(t.Data, 0)
	}
	name = strings.TrimRight(string(t.Data), "\x00")
	return name, false, name != "" && !strings.Contains(name, "\x00")
}

func macOf(b []byte) string {
	var words []string
	for _, x := range b {
		words = append(words, hex.EncodeToString([]byte{x}))
	}
	return strings.Join(words, ":")
}

func portsOf(t nft.Test) (lo, hi uint16, ok bool) {
	if t.Not || t.Mask != nil || len(t.Data) != 2 || t.To != nil && len(t.To) != 2 {
		return 0, 0, false
	}
	lo = binary.BigEndian.Uint16(t.Data)
	if t.To == nil {
		return lo, lo, true
	}
	return lo, binary.BigEndian.Uint16(t.To), true
}

// conn reads one test of connection tracking. With merge, it joins the match before it.
func (p *parser) conn(t nft.Test) bool {
	var m rules.Conn
	switch t.Field {
	case ctState:
		if len(t.Mask) != 4 || t.To != nil || !slices.Equal(t.Data, word(0)) {
			return false
		}
		in := binary.NativeEndian.Uint32(t.Mask)
		for _, s := range stateOrder {
			if in&states[s] != 0 {
				m.States = append(m.States, s)
				in &^= states[s]
			}
		}
		m.NotStates = !t.Not
		if in != 0 || len(m.States) == 0 {
			return false
		}
	case ctStatus:
		if !slices.Equal(t.Mask, word(nft.StatusDNAT)) || t.To != nil || !slices.Equal(t.Data, word(0)) {
			return false
		}
		if !t.Not && p.merge && p.unchanged() {
			return true
		}
		if !t.Not {
			// The test fails for packets without a connection; the match does not.
			p.add(rules.Conn{States: []rules.ConnState{rules.StateInvalid, rules.StateUntracked}, NotStates: true})
		}
		m.States, m.NotStates = []rules.ConnState{rules.StateDNAT}, !t.Not
	case ctDirection:
		if t.Not || t.Mask != nil || t.To != nil || !slices.Equal(t.Data, []byte{0}) {
			return false
		}
		m.Original = true
	case ctPort:
		lo, hi, ok := portsOf(t)
		if !ok || !hasPorts(p.proto) {
			return false
		}
		m.OrigDestLo, m.OrigDestHi = lo, hi
		if lo == 0 && hi == 0 {
			return false
		}
	}
	if n := len(p.out.Match); p.merge && n > 0 && m.States == nil {
		if before, ok := p.out.Match[n-1].(rules.Conn); ok && before.OrigDestHi == 0 && (m.OrigDestHi != 0 || !before.Original) {
			before.Original = before.Original || m.Original
			before.OrigDestLo, before.OrigDestHi = m.OrigDestLo, m.OrigDestHi
			p.out.Match[n-1] = before
			return true
		}
	}
	return p.add(m)
}

// unchanged makes one match of a test of states and of the test that there is no DNAT.
func (p *parser) unchanged() bool {
	n := len(p.out.Match)
	if n == 0 {
		return false
	}
	before, ok := p.out.Match[n-1].(rules.Conn)
	if !ok || before.NotStates || len(before.States) == 0 || before.Original || before.OrigDestHi != 0 {
		return false
	}
	not := rules.Conn{States: []rules.ConnState{rules.StateDNAT}, NotStates: true}
	for _, s := range stateOrder {
		if !slices.Contains(before.States, s) {
			not.States = append(not.States, s)
		}
	}
	p.out.Match[n-1] = not
	return true
}

// stateOrder is the order in which states are read.
var stateOrder = []rules.ConnState{rules.StateInvalid, rules.StateNew, rules.StateRelated, rules.StateEstablished, rules.StateUntracked}

func (p *parser) address(t nft.Test) bool {
	for _, side := range []rules.Dim{rules.Src, rules.Dst} {
		if p.seen == 0 || t.Field != address(p.seen, side) || t.To != nil || len(t.Data) != int(t.Field.Len) {
			continue
		}
		bits, ok := bitsOf(t.Mask, len(t.Data))
		a, _ := netip.AddrFromSlice(t.Data)
		prefix := netip.PrefixFrom(a, bits)
		if !ok || prefix != prefix.Masked() {
			return false
		}
		if side == rules.Src {
			return p.add(rules.Source{Prefix: prefix, Not: t.Not})
		}
		return p.add(rules.Destination{Prefix: prefix, Not: t.Not})
	}
	return false
}

// bitsOf is the length of the prefix that a mask is of.
func bitsOf(m []byte, size int) (bits int, ok bool) {
	if m == nil {
		return 8 * size, true
	}
	for _, b := range m {
		for ; b&0x80 != 0; b <<= 1 {
			bits++
		}
	}
	return bits, len(m) == size && bits < 8*size && slices.Equal(m, mask(bits, size))
}

// lookup reads a lookup in a kernel set. The family must have been tested before.
func (p *parser) lookup(l nft.Lookup, rest nft.Statements) bool {
	base, family, bits, ok := split(l.Set)
	one := p.reader.kernel[l.Set]
	if !ok || one == nil || family != p.seen {
		return false
	}
	k := &kernelSet{base: base, typ: one.Type}
	for _, side := range []rules.Dim{rules.Src, rules.Dst} {
		m := rules.InSet{Set: l.Set, Dims: []rules.Dim{side}, Not: l.Not}
		if one.Type == rules.HashNetPort {
			m.Dims = append(m.Dims, rules.Dst)
		}
		if !nft.Same(k.lookup(family, bits, m.Dims, l.Not), l) {
			continue
		}
		if !p.merge {
			if l.Not && one.Type == rules.HashNetPort && !hasPorts(p.proto) {
				// The lookup fails for packets without ports; the match would not.
				return false
			}
			p.used = append(p.used, l.Set)
			return p.add(m)
		}
		m.Set = base
		if n := len(p.out.Match); n > 0 && l.Not {
			if before, ok := p.out.Match[n-1].(rules.InSet); ok && before.Not && before.Set == m.Set && slices.Equal(before.Dims, m.Dims) {
				return true // another length
			}
		}
		return p.add(m)
	}
	return false
}
