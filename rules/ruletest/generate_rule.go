package ruletest

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"

	"pgregory.net/rapid"
)

// drawRule draws a rule of chain i of n. It leads to later chains only, so
// that there is no cycle.
func drawRule(t *rapid.T, i, n int, sets []rules.Set) rules.Rule {
	r := rules.Rule{Origin: drawOrigin(t)}
	r.Match = append(r.Match, drawAddresses(t)...)
	r.Match = append(r.Match, drawLinks(t)...)
	r.Match = append(r.Match, drawProtocol(t, r)...)
	r.Match = append(r.Match, drawConn(t, slices.ContainsFunc(r.Match, hasPorts))...)
	r.Match = append(r.Match, drawLookups(t, sets)...)
	if some(t, "limit") {
		r.Match = append(r.Match, rules.Limit{Rate: rapid.SampledFrom([]int{1, 3, 7, 60, 72, 7000, 10000}).Draw(t, "rate"),
			Burst: rapid.SampledFrom([]int{1, 5, 6, 10000}).Draw(t, "burst")})
	}
	r.Verdict = drawVerdict(t, i, n)
	if r.Verdict.Kind == rules.Reject {
		r.Match = slices.DeleteFunc(r.Match, func(m rules.Match) bool { _, ok := m.(rules.Limit); return ok })
	}
	return r
}

// some is true now and then, so that rules stay short.
func some(t *rapid.T, what string) bool { return rapid.IntRange(0, 3).Draw(t, what) == 0 }

func hasPorts(m rules.Match) bool {
	p, ok := m.(rules.Proto)
	return ok && (p.Proto == netinfo.TCP || p.Proto == netinfo.UDP || p.Proto == netinfo.SCTP)
}

func drawAddresses(t *rapid.T) []rules.Match {
	var out []rules.Match
	v6 := rapid.Bool().Draw(t, "family 6")
	not := func() bool { return some(t, "not") }
	if some(t, "source") {
		out = append(out, rules.Source{Prefix: drawPrefix(t, v6), Not: not()})
	}
	if some(t, "destination") {
		out = append(out, rules.Destination{Prefix: drawPrefix(t, v6), Not: not()})
	}
	return out
}

func drawLinks(t *rapid.T) []rules.Match {
	var out []rules.Match
	name := func() string { return rapid.SampledFrom(Interfaces()).Draw(t, "interface") }
	if some(t, "in") {
		p := rapid.Bool().Draw(t, "prefix")
		m := rules.InInterface{Name: name(), Prefix: p, Not: some(t, "not")}
		if p && some(t, "all") {
			m.Name = ""
		}
		if len(m.Name) == 15 {
			m.Prefix = false
		}
		out = append(out, m)
	}
	if some(t, "out") {
		m := rules.OutInterface{Name: name(), Prefix: rapid.Bool().Draw(t, "prefix"), Not: some(t, "not")}
		if len(m.Name) == 15 {
			m.Prefix = false
		}
		out = append(out, m)
	}
	if some(t, "mac") {
		out = append(out, rules.SourceMAC{MAC: rapid.SampledFrom([]string{"02:42:ac:11:00:0a", "02:42:AC:11:00:0B"}).Draw(t, "mac"), Not: some(t, "not")})
	}
	if some(t, "port of a bridge") {
		out = append(out, rules.InBridgePort{Name: name(), Not: some(t, "not")})
	}
	return out
}

// drawProtocol draws one that the rule's addresses allow.
func drawProtocol(t *rapid.T, r rules.Rule) []rules.Match {
	if !rapid.Bool().Draw(t, "protocol") {
		return nil
	}
	if some(t, "icmp") {
		return drawICMP(t, r)
	}
	p := drawPortProto(t)
	out := []rules.Match{rules.Proto{Proto: p}}
	if rapid.Bool().Draw(t, "ports") {
		lo, hi := drawPorts(t)
		out = append(out, rules.DestPort{Lo: lo, Hi: hi})
	}
	if p == netinfo.TCP && some(t, "syn") {
		out = append(out, rules.Syn{Not: some(t, "not")})
	}
	return out
}

func drawICMP(t *rapid.T, r rules.Rule) []rules.Match {
	var able []rules.Match
	if r.InFamily(4) {
		able = append(able, rules.Proto{Proto: netinfo.ICMP})
	}
	if r.InFamily(6) {
		able = append(able, rules.Proto{Proto: netinfo.ICMPv6})
	}
	out := []rules.Match{rapid.SampledFrom(able).Draw(t, "icmp")}
	if rapid.Bool().Draw(t, "typed") {
		out = append(out, rules.ICMPType{Type: rapid.SampledFrom([]uint8{0, 3, 5, 8, 128, 134, 135, 254}).Draw(t, "type"), Not: some(t, "not")})
	}
	return out
}

func drawPorts(t *rapid.T) (lo, hi uint16) {
	r := rapid.SampledFrom([][2]uint16{{0, 0}, {0, 65535}, {53, 53}, {80, 80}, {1, 65535}, {8000, 8100}, {65535, 65535}}).Draw(t, "ports")
	return r[0], r[1]
}

func drawConn(t *rapid.T, ports bool) []rules.Match {
	var out []rules.Match
	for range rapid.IntRange(0, 2).Draw(t, "conns") {
		if !some(t, "conn") {
			continue
		}
		all := []rules.ConnState{rules.StateDNAT, rules.StateInvalid, rules.StateNew, rules.StateRelated, rules.StateEstablished, rules.StateUntracked}
		m := rules.Conn{Original: rapid.Bool().Draw(t, "original")}
		for _, s := range all {
			if some(t, string(s)) {
				m.States = append(m.States, s)
			}
		}
		m.NotStates = len(m.States) > 0 && some(t, "not")
		if ports && rapid.Bool().Draw(t, "original port") {
			m.OrigDestLo, m.OrigDestHi = drawPorts(t)
		}
		if len(m.States) > 0 || m.Original || m.OrigDestHi > 0 {
			out = append(out, m)
		}
	}
	return out
}

func drawLookups(t *rapid.T, sets []rules.Set) []rules.Match {
	var out []rules.Match
	for range rapid.IntRange(0, 3).Draw(t, "lookups") {
		s := rapid.SampledFrom(sets).Draw(t, "set")
		m := rules.InSet{Set: s.Name, Not: some(t, "not")}
		m.Dims = []rules.Dim{rapid.SampledFrom([]rules.Dim{rules.Src, rules.Dst}).Draw(t, "side")}
		if s.Type == rules.HashNetPort {
			m.Dims = append(m.Dims, rules.Dst)
		}
		out = append(out, m)
	}
	return out
}

func drawVerdict(t *rapid.T, i, n int) rules.Verdict {
	v := rules.Verdict{Kind: rapid.SampledFrom(rules.PolicyVerdicts()).Draw(t, "verdict")}
	switch v.Kind {
	case rules.Jump, rules.Goto:
		// The first two are hooked; what they lead to begins at the third.
		lo := max(i+1, 2)
		if lo >= n {
			return rules.Verdict{Kind: rules.Drop}
		}
		v.Chain = chainName(rapid.IntRange(lo, n-1).Draw(t, "chain"))
	case rules.Log:
		v.Group = rapid.SampledFrom([]uint16{0, 1, 65535}).Draw(t, "group")
		v.Prefix = rapid.SampledFrom(Hostile()).Draw(t, "prefix")
		if len(v.Prefix) > rules.MaxLogPrefix {
			v.Prefix = v.Prefix[:rules.MaxLogPrefix]
		}
	}
	return v
}
