package iptables

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// line is one rule, without "-A CHAIN ", in both spellings: feed is what
// iptables-restore reads, save what iptables-save prints.
type line struct {
	feed, save string
	origin     rules.Origin
}

// ruleLines writes a rule, whose comment is note, for the family: one line, two
// for a Reject of whatever protocol, none where it is for the other family or
// matches nothing.
func ruleLines(r rules.Rule, note string, f Family, stage rules.Stage) []line {
	if !r.InFamily(int(f)) || never(r) {
		return nil
	}
	if r.Verdict.Kind != rules.Reject {
		return []line{parts{r.Match, f}.line(note, target(r.Verdict), r.Origin)}
	}
	if stage != rules.StageFilter {
		return []line{parts{r.Match, f}.line(note, "-j DROP", r.Origin)}
	}
	unreachable := "-j REJECT --reject-with icmp-port-unreachable"
	if f == V6 {
		unreachable = "-j REJECT --reject-with icmp6-port-unreachable"
	}
	const reset = "-j REJECT --reject-with tcp-reset"
	if p, ok := find[rules.Proto](r.Match); ok {
		if p.Proto == netinfo.TCP {
			unreachable = reset
		}
		return []line{parts{r.Match, f}.line(note, unreachable, r.Origin)}
	}
	tcp := append([]rules.Match{rules.Proto{Proto: netinfo.TCP}}, r.Match...)
	return []line{parts{tcp, f}.line(note, reset, r.Origin), parts{r.Match, f}.line(note, unreachable, r.Origin)}
}

// comment is what names a rule: its ID and subject.
func comment(r rules.Rule) string {
	s := ownComment + r.ID()
	if subject := r.Origin.Subject.String(); subject != "" {
		s += " " + subject
	}
	return clean(s, maxComment)
}

// never: a negated match of everything. The two variants print such a rule
// differently, and it does nothing.
func never(r rules.Rule) bool {
	for _, m := range r.Match {
		switch m := m.(type) {
		case rules.InInterface:
			if m.Not && m.Name == "" {
				return true
			}
		case rules.OutInterface:
			if m.Not && m.Name == "" {
				return true
			}
		case rules.Source:
			if m.Not && m.Prefix.Bits() == 0 {
				return true
			}
		case rules.Destination:
			if m.Not && m.Prefix.Bits() == 0 {
				return true
			}
		}
	}
	return false
}

// stampTarget is spelt as both variants print it.
var stampTarget = fmt.Sprintf("-j CLASSIFY --set-class %04x:%04x", rules.StampClass>>16, rules.StampClass&0xffff)

func target(v rules.Verdict) string {
	switch v.Kind {
	case rules.Return:
		return "-j RETURN"
	case rules.Drop:
		return "-j DROP"
	case rules.Jump:
		return "-j " + v.Chain
	case rules.Goto:
		return "-g " + v.Chain
	case rules.Log:
		s := "-j NFLOG"
		if p := cleanPrefix(v.Prefix, rules.MaxLogPrefix); p != "" {
			s += " --nflog-prefix " + quote(p)
		}
		if v.Group != 0 {
			s += fmt.Sprintf(" --nflog-group %d", v.Group)
		}
		return s
	case rules.Stamp:
		return stampTarget
	}
	panic("verdict " + string(v.Kind) + " cannot be written")
}

// parts are a rule's matches, to be written in iptables-save's order.
type parts struct {
	match  []rules.Match
	family Family
}

// line puts the matches in iptables-save's order: what belongs to the packet's
// header, then the modules, cheap ones first, the limit last of all, because a
// limit counts what gets as far as it.
func (p parts) line(note, target string, o rules.Origin) line {
	var w words
	p.header(&w)
	p.ports(&w)
	for _, m := range p.match {
		p.link(&w, m)
	}
	for _, m := range p.match {
		if m, ok := m.(rules.Conn); ok {
			conn(&w, m)
		}
	}
	for _, m := range p.match {
		if m, ok := m.(rules.InSet); ok {
			w.add("-m set" + not(m.Not) + " --match-set " + kernelSet(m.Set, p.family) + " " + dims(m.Dims))
		}
	}
	if m, ok := find[rules.Limit](p.match); ok {
		w.add(limit(m))
	}
	w.add("-m comment --comment " + quote(note) + " " + target)
	return line{feed: w.feed.String(), save: w.save.String(), origin: o}
}

func (p parts) header(w *words) {
	if m, ok := find[rules.Source](p.match); ok && m.Prefix.Bits() > 0 {
		w.add(neg(m.Not) + "-s " + address(m.Prefix))
	}
	if m, ok := find[rules.Destination](p.match); ok && m.Prefix.Bits() > 0 {
		w.add(neg(m.Not) + "-d " + address(m.Prefix))
	}
	if m, ok := find[rules.InInterface](p.match); ok && m.Name != "" {
		w.name(neg(m.Not)+"-i ", pattern(m.Name, m.Prefix))
	}
	if m, ok := find[rules.OutInterface](p.match); ok && m.Name != "" {
		w.name(neg(m.Not)+"-o ", pattern(m.Name, m.Prefix))
	}
	if m, ok := find[rules.Proto](p.match); ok {
		w.add("-p " + m.Proto.String())
	}
}

// ports writes what the protocol's own module looks at. Every port is no
// condition, and iptables-save prints none.
func (p parts) ports(w *words) {
	s := ""
	if m, ok := find[rules.DestPort](p.match); ok && (m.Lo > 0 || m.Hi < 65535) {
		s += " --dport " + portRange(m.Lo, m.Hi)
	}
	if m, ok := find[rules.Syn](p.match); ok {
		s += not(m.Not) + " --tcp-flags FIN,SYN,RST,ACK SYN"
	}
	proto, ok := find[rules.Proto](p.match)
	if ok && s != "" {
		w.add("-m " + proto.Proto.String() + s)
	}
	if m, is := find[rules.ICMPType](p.match); ok && is {
		w.add(icmpType(proto.Proto, m))
	}
}

func icmpType(proto netinfo.Protocol, m rules.ICMPType) string {
	if proto == netinfo.ICMPv6 {
		return fmt.Sprintf("-m icmp6%s --icmpv6-type %d", not(m.Not), m.Type)
	}
	return fmt.Sprintf("-m icmp%s --icmp-type %d", not(m.Not), m.Type)
}

func (p parts) link(w *words, m rules.Match) {
	switch m := m.(type) {
	case rules.SourceMAC:
		w.add("-m mac" + not(m.Not) + " --mac-source " + strings.ToLower(m.MAC))
	case rules.InBridgePort:
		w.name("-m physdev"+not(m.Not)+" --physdev-in ", m.Name)
	}
}

func conn(w *words, m rules.Conn) {
	s := "-m conntrack"
	if len(m.States) > 0 {
		s += not(m.NotStates) + " --ctstate " + states(m.States)
	}
	if m.OrigDestLo != 0 || m.OrigDestHi != 0 {
		s += " --ctorigdstport " + portRange(m.OrigDestLo, m.OrigDestHi)
	}
	if m.Original {
		s += " --ctdir ORIGINAL"
	}
	w.add(s)
}

// states are printed in this order, whatever order they were written in.
func states(have []rules.ConnState) string {
	var out []string
	for _, s := range stateOrder() {
		for _, h := range have {
			if h == s {
				out = append(out, string(s))
			}
		}
	}
	return strings.Join(out, ",")
}

func stateOrder() []rules.ConnState {
	return []rules.ConnState{rules.StateInvalid, rules.StateNew, rules.StateRelated, rules.StateEstablished, rules.StateUntracked, rules.StateDNAT}
}

// limit writes the rate that the kernel will keep: it counts in whole 1/10000
// seconds for each packet. A burst of 5 is the default and is not printed.
func limit(m rules.Limit) string {
	rate := rules.MaxRate / (rules.MaxRate / m.Rate)
	s := fmt.Sprintf("-m limit --limit %d/sec", rate)
	if m.Burst != 5 {
		s += fmt.Sprintf(" --limit-burst %d", m.Burst)
	}
	return s
}

func dims(ds []rules.Dim) string {
	out := make([]string, len(ds))
	for i, d := range ds {
		out[i] = string(d)
	}
	return strings.Join(out, ",")
}

func portRange(lo, hi uint16) string {
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d:%d", lo, hi)
}

// pattern spells an interface name. One of 15 bytes has no room for the plus,
// and nothing longer to stand for.
func pattern(name string, prefix bool) string {
	if prefix && len(name) < 15 {
		return name + "+"
	}
	return name
}

// address spells a prefix as the C library does: IPv6 addresses that begin with
// 96 zero bits, and whose next 16 are not, end in IPv4 notation.
func address(p netip.Prefix) string {
	b := p.Addr().As16()
	head, word := netip.AddrFrom16([16]byte(append(slices.Clone(b[:12]), 0, 0, 0, 0))), b[12]|b[13]
	if p.Addr().Is6() && head == netip.IPv6Unspecified() && word != 0 {
		return fmt.Sprintf("::%s/%d", netip.AddrFrom4([4]byte(b[12:])), p.Bits())
	}
	return p.String()
}

func neg(not bool) string {
	if not {
		return "! "
	}
	return ""
}

func not(not bool) string {
	if not {
		return " !"
	}
	return ""
}

func find[M rules.Match](ms []rules.Match) (M, bool) {
	for _, m := range ms {
		if m, ok := m.(M); ok {
			return m, true
		}
	}
	var zero M
	return zero, false
}

// words collects a line in both spellings.
type words struct{ feed, save strings.Builder }

func (w *words) add(s string) { w.name(s, "") }

// name adds a name after the words before it.
func (w *words) name(before, name string) {
	if w.save.Len() > 0 {
		before = " " + before
	}
	w.save.WriteString(before + name)
	if !safeName(name) {
		name = `"` + escape.Replace(name) + `"`
	}
	w.feed.WriteString(before + name)
}
