package nftables

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/nft"
)

// rule renders one rule: a line for each way in which it can hold, and none if it never
// does. Where a line does not end the packet's way through the chain, no packet has two.
func (w *writer) rule(r rules.Rule) ([]nft.Rule, error) {
	apart := r.Verdict.Kind.GoesOn() || r.Verdict.Kind == rules.Jump
	all := []way{{}}
	proto := rules.Protocol(0)
	for i, m := range r.Match {
		if slices.ContainsFunc(r.Match[:i], func(o rules.Match) bool { return reflect.DeepEqual(o, m) }) {
			continue
		}
		if p, ok := m.(rules.Proto); ok {
			proto = p.Proto
		}
		ways, err := w.ways(m, proto, apart)
		if err != nil {
			return nil, err
		}
		var next []way
		for _, a := range all {
			for _, b := range ways {
				if both, ok := a.and(b); ok {
					next = append(next, both)
				}
			}
		}
		all = next
	}
	var out []nft.Rule
	comment := comment(r)
	for _, a := range all {
		lines, err := verdicts(r.Verdict, proto)
		if err != nil {
			return nil, err
		}
		for _, v := range lines {
			out = append(out, nft.Rule{Statements: append(a.statements(), v...), Comment: comment})
		}
	}
	return out, nil
}

// statements are the way's, with the test of the family before the first address.
func (a way) statements() nft.Statements {
	if a.family == 0 {
		return append(make(nft.Statements, 0, len(a.ss)+3), a.ss...)
	}
	number := byte(nft.ProtoIPv4)
	if a.family == 6 {
		number = nft.ProtoIPv6
	}
	at := 0
	for i, s := range a.ss {
		if inHeader(s) {
			at = i
			break
		}
	}
	out := make(nft.Statements, 0, len(a.ss)+4)
	out = append(out, a.ss[:at]...)
	out = append(out, nft.Test{Field: nfProto, Data: []byte{number}})
	return append(out, a.ss[at:]...)
}

func inHeader(s nft.Statement) bool {
	switch s := s.(type) {
	case nft.Test:
		return s.Field.From == nft.NetworkHeader
	case nft.Lookup:
		return s.Keys[0].Field.From == nft.NetworkHeader
	}
	return false
}

// verdicts are the ends of the rule's lines. A reject has two unless the protocol is known.
func verdicts(v rules.Verdict, proto rules.Protocol) ([]nft.Statements, error) {
	switch v.Kind {
	case rules.Return, rules.Drop, rules.Jump, rules.Goto:
		return []nft.Statements{{nft.Count{}, nft.Verdict{Kind: v.Kind, Chain: v.Chain}}}, nil
	case rules.Log:
		return []nft.Statements{{nft.Count{}, nft.Log{Group: v.Group, Prefix: plain(v.Prefix)}}}, nil
	case rules.Stamp:
		return []nft.Statements{{nft.Count{}, nft.SetPriority{Priority: rules.StampClass}}}, nil
	case rules.Reject:
		reset, other := nft.Statements{nft.Count{}, nft.Reject{Reset: true}}, nft.Statements{nft.Count{}, nft.Reject{}}
		switch proto {
		case 0:
			return []nft.Statements{append(nft.Statements{protocol(netinfo.TCP, false)}, reset...), other}, nil
		case netinfo.TCP:
			return []nft.Statements{reset}, nil
		}
		return []nft.Statements{other}, nil
	}
	return nil, fmt.Errorf("the verdict %s cannot be written for nftables", v.Kind)
}

// comment names the block that a rule comes from, its place in the file, and the rule's ID:
// "published.shop agent.hcl:12 k3f9q". A long name is cut; the ID still tells it from
// others.
func comment(r rules.Rule) string {
	id := r.ID()
	place := ""
	if r.Origin.File != "" && r.Origin.Line > 0 {
		place = fmt.Sprintf(" %s:%d", plain(r.Origin.File), r.Origin.Line)
	}
	room := nft.MaxComment - len(id) - 1
	if len(place) > room/2 {
		place = " " + cutFront(place[1:], room/2-1)
	}
	subject := cut(plain(r.Origin.Subject.String()), room-len(place))
	return strings.TrimLeft(subject+place+" "+id, " ")
}

const dots = "…"

// cut shortens a text to so many bytes, at its end.
func cut(text string, size int) string {
	if len(text) <= size {
		return text
	}
	end := size - len(dots)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + dots
}

// cutFront shortens it at its front.
func cutFront(text string, size int) string {
	if len(text) <= size {
		return text
	}
	at := len(text) - size + len(dots)
	for at < len(text) && !utf8.RuneStart(text[at]) {
		at++
	}
	return dots + text[at:]
}

// plain is a text that nft prints and reads back: it has no way to write a quotation mark
// or a line break inside one.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '"' || r == '\\':
			return '\''
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}
