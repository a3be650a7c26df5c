package iptables

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// ParseRule reads a rule of ours as iptables-save prints it, without "-A NAME
// ": the inverse of rendering. Both rules of a Reject come back as a Reject
// each; in the guard a Reject is a Drop. What rendering leaves out (every port,
// every interface) stays out. Origin has the policy only.
func ParseRule(chain, text string) (rules.Rule, error) {
	p := ruleParser{rest: text}
	for p.err == nil && p.rest != "" {
		p.option()
	}
	if p.err == nil && p.rule.Verdict.Kind == "" {
		p.err = errors.New("no target")
	}
	if p.err == nil && !p.ours {
		p.err = errors.New("no comment of ours")
	}
	if p.err != nil {
		return rules.Rule{}, fmt.Errorf("rule of %s %q: %w", chain, text, p.err)
	}
	return p.rule, nil
}

type ruleParser struct {
	rest   string
	module string
	ours   bool
	rule   rules.Rule
	err    error
}

func (p *ruleParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// raw is the next word as it stands; names are printed without quotes.
func (p *ruleParser) raw() string {
	w, rest, _ := strings.Cut(p.rest, " ")
	if w == "" {
		p.fail("a word is missing")
	}
	p.rest = rest
	return w
}

// quoted is the next word as xtables_save_string printed it.
func (p *ruleParser) quoted() string {
	if !strings.HasPrefix(p.rest, `"`) {
		return p.raw()
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '"':
			p.rest = strings.TrimPrefix(p.rest[i+1:], " ")
			return b.String()
		default:
			b.WriteByte(c)
		}
	}
	p.fail("a quote is not closed")
	return ""
}

func (p *ruleParser) match(m rules.Match) { p.rule.Match = append(p.rule.Match, m) }

func (p *ruleParser) option() {
	opt := p.raw()
	not := opt == "!"
	if not {
		opt = p.raw()
	}
	negatable := true
	switch opt {
	case "-s":
		p.match(rules.Source{Prefix: p.prefix(), Not: not})
	case "-d":
		p.match(rules.Destination{Prefix: p.prefix(), Not: not})
	case "-i":
		name, prefix := p.pattern()
		p.match(rules.InInterface{Name: name, Prefix: prefix, Not: not})
	case "-o":
		name, prefix := p.pattern()
		p.match(rules.OutInterface{Name: name, Prefix: prefix, Not: not})
	case "--mac-source":
		p.match(rules.SourceMAC{MAC: p.raw(), Not: not})
	case "--physdev-in":
		p.match(rules.InBridgePort{Name: p.raw(), Not: not})
	case "--match-set":
		p.matchSet(not)
	case "--icmp-type", "--icmpv6-type":
		p.match(rules.ICMPType{Type: p.icmpType(), Not: not})
	case "--tcp-flags":
		p.flags(not)
	case "--ctstate":
		p.states(not)
	default:
		negatable = false
		p.plain(opt)
	}
	if not && !negatable {
		p.fail("%s cannot be negated", opt)
	}
}

// plain are the options that are never negated.
func (p *ruleParser) plain(opt string) {
	switch opt {
	case "-m":
		p.begin(p.raw())
	case "-p":
		p.protocol()
	case "--dport":
		lo, hi := p.ports()
		p.match(rules.DestPort{Lo: lo, Hi: hi})
	case "--ctorigdstport", "--ctdir":
		p.conn(opt)
	case "--limit":
		p.limit()
	case "--comment":
		p.comment()
	case "-j", "-g":
		p.target(opt)
	default:
		p.fail("unknown option %q", opt)
	}
}

// begin opens a module. Two of the matches are made of several options.
func (p *ruleParser) begin(module string) {
	p.module = module
	if module == "conntrack" {
		p.match(rules.Conn{})
	}
}

func (p *ruleParser) prefix() netip.Prefix {
	w := p.raw()
	pre, err := netip.ParsePrefix(w)
	if err != nil || pre != pre.Masked() {
		p.fail("%q is no prefix", w)
	}
	return pre
}

func (p *ruleParser) pattern() (name string, prefix bool) { return strings.CutSuffix(p.raw(), "+") }

func (p *ruleParser) matchSet(not bool) {
	w := p.raw()
	name, ok4 := strings.CutPrefix(w, sets4)
	name, ok6 := strings.CutPrefix(name, sets6)
	if !ok4 && !ok6 {
		p.fail("set %q is not ours", w)
	}
	m := rules.InSet{Set: name, Not: not}
	for d := range strings.SplitSeq(p.raw(), ",") {
		if rules.Dim(d) != rules.Src && rules.Dim(d) != rules.Dst {
			p.fail("dimension %q", d)
		}
		m.Dims = append(m.Dims, rules.Dim(d))
	}
	p.match(m)
}

func (p *ruleParser) flags(not bool) {
	if p.raw() != "FIN,SYN,RST,ACK" || p.raw() != "SYN" {
		p.fail("unknown flags")
	}
	p.match(rules.Syn{Not: not})
}

func (p *ruleParser) icmpType() uint8 {
	w := p.raw()
	n, err := strconv.ParseUint(w, 10, 8)
	if err != nil || n == 255 {
		p.fail("ICMP type %q", w)
	}
	return uint8(n)
}

// last is the Conn that the options after -m conntrack belong to.
func (p *ruleParser) last() rules.Conn {
	if n := len(p.rule.Match); n > 0 && p.module == "conntrack" {
		if m, ok := p.rule.Match[n-1].(rules.Conn); ok {
			return m
		}
	}
	p.fail("no -m conntrack before it")
	return rules.Conn{}
}

func (p *ruleParser) setLast(m rules.Conn) {
	if p.err == nil {
		p.rule.Match[len(p.rule.Match)-1] = m
	}
}

func (p *ruleParser) states(not bool) {
	m := p.last()
	m.NotStates = not
	for s := range strings.SplitSeq(p.raw(), ",") {
		if !slices.Contains(stateOrder(), rules.ConnState(s)) {
			p.fail("connection state %q", s)
		}
		m.States = append(m.States, rules.ConnState(s))
	}
	p.setLast(m)
}

func (p *ruleParser) conn(opt string) {
	m := p.last()
	if opt == "--ctdir" {
		if w := p.raw(); w != "ORIGINAL" {
			p.fail("direction %q", w)
		}
		m.Original = true
	} else {
		m.OrigDestLo, m.OrigDestHi = p.ports()
	}
	p.setLast(m)
}

func (p *ruleParser) protocol() {
	proto, err := netinfo.ParseProtocol(p.raw())
	if err != nil {
		p.fail("%w", err)
	}
	p.match(rules.Proto{Proto: proto})
}

func (p *ruleParser) ports() (lo, hi uint16) {
	w := p.raw()
	a, b, isRange := strings.Cut(w, ":")
	if !isRange {
		b = a
	}
	l, err1 := strconv.ParseUint(a, 10, 16)
	h, err2 := strconv.ParseUint(b, 10, 16)
	if err1 != nil || err2 != nil || l > h {
		p.fail("ports %q", w)
	}
	return uint16(l), uint16(h)
}

func (p *ruleParser) limit() {
	w := p.raw()
	num, unit, _ := strings.Cut(w, "/")
	m := rules.Limit{Burst: 5}
	m.Rate = p.number(num)
	if unit != "sec" {
		p.fail("rate %q", w)
	}
	if rest, ok := strings.CutPrefix(p.rest, "--limit-burst "); ok {
		p.rest = rest
		m.Burst = p.number(p.raw())
	}
	if m.Rate < 1 || m.Rate > rules.MaxRate || m.Burst < 1 || m.Burst > rules.MaxRate {
		p.fail("limit of %d after %d", m.Rate, m.Burst)
	}
	p.match(m)
}

func (p *ruleParser) number(s string) int {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		p.fail("number %q", s)
	}
	return int(n)
}

func (p *ruleParser) comment() {
	s, ok := strings.CutPrefix(p.quoted(), ownComment)
	if !ok {
		p.fail("a comment that is not ours")
	}
	p.ours = ok
	_, subject, _ := strings.Cut(s, " ")
	p.rule.Origin.Subject = rules.ParseSubject(subject)
}

func (p *ruleParser) target(opt string) {
	name := p.raw()
	v := &p.rule.Verdict
	switch {
	case opt == "-g":
		*v = rules.Verdict{Kind: rules.Goto, Chain: name}
	case name == "RETURN":
		v.Kind = rules.Return
	case name == "DROP":
		v.Kind = rules.Drop
	case name == "REJECT":
		v.Kind = rules.Reject
		p.rejectWith()
	case name == "NFLOG":
		v.Kind = rules.Log
		p.nflog()
	case name == "CLASSIFY":
		v.Kind = rules.Stamp
		p.stamp()
	case owned(name):
		*v = rules.Verdict{Kind: rules.Jump, Chain: name}
	default:
		p.fail("target %q", name)
	}
	if p.rest != "" {
		p.fail("%q after the target", p.rest)
	}
}

func (p *ruleParser) rejectWith() {
	opt, how := p.raw(), p.raw()
	if opt != "--reject-with" || how != "tcp-reset" && how != "icmp-port-unreachable" && how != "icmp6-port-unreachable" {
		p.fail("rejecting with %q", how)
	}
}

func (p *ruleParser) stamp() {
	opt, class := p.raw(), p.raw()
	if text := "-j CLASSIFY " + opt + " " + class; text != stampTarget {
		p.fail("%q is not how packets are stamped", text)
	}
}

func (p *ruleParser) nflog() {
	for p.rest != "" && p.err == nil {
		switch opt := p.raw(); opt {
		case "--nflog-prefix":
			p.rule.Verdict.Prefix = p.quoted()
		case "--nflog-group":
			p.rule.Verdict.Group = uint16(p.number(p.raw()))
		default:
			p.fail("unknown option %q", opt)
		}
	}
}
