package iptables

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Table is one table as iptables-save prints it.
type Table struct {
	Name   string
	Chains []Chain
}

// Chain is a chain of any owner. Rules are without "-A NAME ".
type Chain struct {
	Name string
	// Policy is ACCEPT or DROP for a base chain, "-" for any other.
	Policy string
	Rules  []string
	// Native: it was read through netlink, and jumps in it are placed so, because the table
	// holds rules that iptables' tools cannot read.
	Native bool
	// Absent: iptables-save prints the base chain because its table has one, but the kernel
	// has none yet.
	Absent bool
}

func (t *Table) chain(name string) *Chain {
	if t == nil {
		return nil
	}
	for i := range t.Chains {
		if t.Chains[i].Name == name {
			return &t.Chains[i]
		}
	}
	return nil
}

// ParseSave reads what iptables-save prints, with or without counters. It
// refuses what it does not understand: acting on half a table would undo the
// other half.
func ParseSave(text string) ([]Table, error) {
	p := saveParser{text: text}
	for p.next() {
		if err := p.record(); err != nil {
			return nil, fmt.Errorf("iptables-save, line %d: %w", p.line, err)
		}
	}
	if p.table != nil {
		return nil, fmt.Errorf("iptables-save, line %d: table %s has no COMMIT", p.line, p.table.Name)
	}
	return p.tables, nil
}

type saveParser struct {
	text   string
	rec    string
	line   int // of rec's first line
	lines  int // read so far
	tables []Table
	table  *Table
	index  map[string]int // chain's name -> place in table.Chains
}

// next cuts off one record: a line, or several where a comment in quotes holds
// line breaks, which iptables-save prints as they are.
func (p *saveParser) next() bool {
	if p.text == "" {
		return false
	}
	end := recordEnd(p.text)
	p.rec = p.text[:end]
	p.text = strings.TrimPrefix(p.text[end:], "\n")
	p.line = p.lines + 1
	p.lines += 1 + strings.Count(p.rec, "\n")
	return true
}

// recordEnd finds the line break that is not inside a quoted word. A quote
// only opens at a word's start, and never at that of an interface's name; only
// rules have any.
func recordEnd(s string) int {
	rule := strings.HasPrefix(s, "-A ") || strings.HasPrefix(s, "[")
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case quoted && s[i] == '"':
			quoted = false
		case !quoted && rule && s[i] == '"' && i > 0 && s[i-1] == ' ' && !beforeName(s[:i]):
			quoted = true
		case !quoted && s[i] == '\n':
			return i
		}
	}
	return len(s)
}

// beforeName reports whether the text ends in an option that a name follows.
func beforeName(text string) bool {
	text = strings.TrimSuffix(text, " ")
	return takesName(text[strings.LastIndexByte(text, ' ')+1:])
}

func (p *saveParser) record() error {
	rec := p.rec
	switch {
	case rec == "" || rec[0] == '#':
		return nil
	case rec[0] == '*':
		return p.begin(rec[1:])
	case p.table == nil:
		return errors.New("it stands outside of a table")
	case rec == "COMMIT":
		p.tables = append(p.tables, *p.table)
		p.table = nil
		return nil
	case rec[0] == ':':
		return p.chain(rec[1:])
	}
	return p.rule(rec)
}

func (p *saveParser) begin(name string) error {
	if p.table != nil {
		return fmt.Errorf("table %s has no COMMIT", p.table.Name)
	}
	if name == "" || strings.ContainsAny(name, " \t") {
		return fmt.Errorf("table %q", name)
	}
	for _, t := range p.tables {
		if t.Name == name {
			return fmt.Errorf("table %s is there twice", name)
		}
	}
	p.table = &Table{Name: name}
	p.index = map[string]int{}
	return nil
}

func (p *saveParser) chain(s string) error {
	f := strings.Split(s, " ")
	if len(f) < 2 || len(f) > 3 || f[0] == "" || len(f) == 3 && !counters(f[2]) {
		return errors.New("not a chain")
	}
	if _, ok := p.index[f[0]]; ok {
		return fmt.Errorf("chain %s is there twice", f[0])
	}
	p.index[f[0]] = len(p.table.Chains)
	p.table.Chains = append(p.table.Chains, Chain{Name: f[0], Policy: f[1]})
	return nil
}

func (p *saveParser) rule(s string) error {
	if first, rest, ok := strings.Cut(s, " "); ok && counters(first) {
		s = rest
	}
	s, ok := strings.CutPrefix(s, "-A ")
	if !ok {
		return errors.New("not a rule")
	}
	name, rest, _ := strings.Cut(s, " ")
	i, ok := p.index[name]
	if !ok {
		return fmt.Errorf("a rule of chain %q, which is not declared", name)
	}
	p.table.Chains[i].Rules = append(p.table.Chains[i].Rules, rest)
	return nil
}

func counters(s string) bool {
	in, ok := strings.CutPrefix(s, "[")
	in, ok2 := strings.CutSuffix(in, "]")
	packets, octets, ok3 := strings.Cut(in, ":")
	return ok && ok2 && ok3 && digits(packets) && digits(octets)
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

var (
	macWord = regexp.MustCompile(` --mac-source [0-9A-F:]{17}`)
	icmp6   = regexp.MustCompile(` -p icmpv6 | -p 58 `)
	low6    = regexp.MustCompile(`-[sd] ::[0-9a-f.:]+/\d+`)
)

// canonical takes away what versions of iptables spell differently: older ones
// print Ethernet addresses in capitals, some call ipv6-icmp icmpv6, and C
// libraries differ on where IPv4 notation ends an IPv6 address.
func canonical(rule string) string {
	if strings.Contains(rule, "--mac-source") {
		rule = macWord.ReplaceAllStringFunc(rule, strings.ToLower)
	}
	if strings.Contains(rule, "-p icmpv6 ") || strings.Contains(rule, "-p 58 ") {
		rule = strings.TrimPrefix(icmp6.ReplaceAllString(" "+rule, " -p ipv6-icmp "), " ")
	}
	if strings.Contains(rule, " ::") {
		rule = low6.ReplaceAllStringFunc(rule, func(s string) string {
			if p, err := netip.ParsePrefix(s[3:]); err == nil {
				return s[:3] + address(p)
			}
			return s
		})
	}
	return rule
}
