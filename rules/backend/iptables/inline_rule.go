package iptables

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"

	"go4.org/netipx"
)

// alt is one way in which a set lookup holds.
type alt struct {
	addr   netip.Prefix
	source bool
	proto  netinfo.Protocol // 0: any, and any port
	port   uint16
}

// written is a rule with its set lookups turned into lists.
type written struct {
	rule rules.Rule
	// base are the matches that are neither lookups nor the limit.
	base  []rules.Match
	limit *rules.Limit
	// alts: of each list one must hold. In a list no two hold at once.
	alts [][]alt
	// skips: of no list may one hold.
	skips [][]alt
	// never: it cannot hold.
	never bool
}

// leaves reports whether the verdict returns to the chain that jumped to this one.
func (w written) leaves() bool {
	return w.rule.Verdict.Kind == rules.Return || w.rule.Verdict.Kind == rules.Goto
}

// simple: it can be written in place, one rule for each member.
func (w written) simple() bool {
	return len(w.alts) <= 1 && len(w.skips) == 0 && (w.limit == nil || len(w.alts) == 0 || len(w.alts[0]) <= 1)
}

func (w written) product() int {
	n := 1
	for _, l := range w.alts {
		n = min(n*len(l), 1<<30)
	}
	return n
}

func (w written) sum() int {
	n := 0
	for _, l := range w.alts {
		n += len(l)
	}
	return n
}

// proto is the rule's protocol: a stage that ends in a Reject needs it again.
func (w written) proto() []rules.Match {
	if p, ok := find[rules.Proto](w.base); ok {
		return []rules.Match{p}
	}
	return nil
}

func (w written) withLimit(m []rules.Match) []rules.Match {
	if w.limit == nil {
		return m
	}
	return append(slices.Clone(m), *w.limit)
}

// expand works out what the rule's lookups come to. Lookups of addresses on the
// same side are one list, by set algebra.
func (in *inliner) expand(r rules.Rule) written {
	w := written{rule: r}
	lookups := map[rules.Dim]bool{}
	for _, m := range r.Match {
		switch m := m.(type) {
		case rules.InSet:
			lookups[m.Dims[0]] = true
			if s, ok := in.rs.Set(m.Set); ok && s.Type == rules.HashNetPort {
				w.pairs(m, *s)
			}
		case rules.Limit:
			w.limit = &m
		default:
			w.base = append(w.base, m)
		}
	}
	for _, side := range []rules.Dim{rules.Src, rules.Dst} {
		if lookups[side] {
			w.side(in.rs, side)
		}
	}
	// Short lists first: what a packet meets in the chain itself is short then.
	slices.SortStableFunc(w.alts, func(a, b []alt) int { return len(a) - len(b) })
	w.never = w.never || slices.ContainsFunc(w.alts, func(l []alt) bool { return len(l) == 0 })
	return w
}

// side folds the address lookups of one side, and the rule's own address match
// there, into one list.
func (w *written) side(rs *rules.Ruleset, side rules.Dim) {
	f := fold{source: side == rules.Src}
	for _, m := range w.rule.Match {
		in, ok := m.(rules.InSet)
		s, found := rs.Set(in.Set)
		if ok && found && in.Dims[0] == side && s.Type == rules.HashNet {
			f.narrow(s.Members, in.Not)
		}
	}
	w.base = slices.DeleteFunc(w.base, func(m rules.Match) bool {
		p, not, src, ok := addressOf(m)
		if ok && src == f.source {
			// A negated address still makes the rule one of its family.
			f.narrow([]rules.Member{{Prefix: netip.PrefixFrom(p.Addr(), 0).Masked()}}, false)
			f.narrow([]rules.Member{{Prefix: p}}, not)
			return true
		}
		return false
	})
	if !f.only {
		skip := f.list(mustSet(&f.without))
		if len(skip) == 0 {
			return
		}
		if !w.leaves() || len(skip)*128 > maxProduct {
			w.skips = append(w.skips, skip)
			return
		}
		f.within.AddPrefix(netip.PrefixFrom(netip.IPv4Unspecified(), 0))
		f.within.AddPrefix(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	}
	f.within.RemoveSet(mustSet(&f.without))
	w.alts = append(w.alts, f.list(mustSet(&f.within)))
}

// fold is the addresses that lookups of one side leave: those within, without
// the others. Where nothing but negated lookups are (only is false), what is
// to be skipped is shorter than what is left, up to 128 prefixes for each
// member; but skipping on the way to a Return costs depth, of which there is
// little.
type fold struct {
	source          bool
	only            bool
	within, without netipx.IPSetBuilder
}

func (f *fold) narrow(ms []rules.Member, not bool) {
	var b netipx.IPSetBuilder
	for _, m := range ms {
		b.AddPrefix(m.Prefix)
	}
	set := mustSet(&b)
	switch {
	case not:
		f.without.AddSet(set)
	case f.only:
		f.within.Intersect(set)
	default:
		f.within.AddSet(set)
		f.only = true
	}
}

func (f *fold) list(set *netipx.IPSet) []alt {
	var out []alt
	for _, p := range set.Prefixes() {
		out = append(out, alt{addr: p, source: f.source})
	}
	return out
}

func addressOf(m rules.Match) (p netip.Prefix, not, source, ok bool) {
	switch m := m.(type) {
	case rules.Source:
		return m.Prefix, m.Not, true, true
	case rules.Destination:
		return m.Prefix, m.Not, false, true
	}
	return netip.Prefix{}, false, false, false
}

// mustSet: a builder errs on invalid prefixes only, which Validate refuses.
func mustSet(b *netipx.IPSetBuilder) *netipx.IPSet {
	s, err := b.IPSet()
	if err != nil {
		panic("inlining a set: " + err.Error())
	}
	return s
}

// pairs lists a set of addresses and ports so that no two entries overlap.
func (w *written) pairs(m rules.InSet, s rules.Set) {
	type service struct {
		proto netinfo.Protocol
		port  uint16
	}
	var order []service
	nets := map[service]*netipx.IPSetBuilder{}
	for _, mem := range s.Members {
		k := service{mem.Proto, mem.Port}
		if nets[k] == nil {
			nets[k] = &netipx.IPSetBuilder{}
			order = append(order, k)
		}
		nets[k].AddPrefix(mem.Prefix)
	}
	var list []alt
	for _, k := range order {
		for _, p := range mustSet(nets[k]).Prefixes() {
			list = append(list, alt{addr: p, source: m.Dims[0] == rules.Src, proto: k.proto, port: k.port})
		}
	}
	if m.Not {
		w.skips = append(w.skips, list)
	} else {
		w.alts = append(w.alts, list)
	}
}

// merge adds one alternative to the matches of a rule, or reports that both
// cannot hold.
func merge(base []rules.Match, a alt) ([]rules.Match, bool) {
	addr, keep := a.addr, []rules.Match(nil)
	proto, lo, hi := a.proto, a.port, a.port
	ports := a.proto != 0
	for _, m := range base {
		p, _, src, ok := addressOf(m)
		switch m := m.(type) {
		case rules.Proto:
			if proto != 0 && proto != m.Proto {
				return nil, false
			}
			proto = m.Proto
			continue
		case rules.DestPort:
			if ports && (a.port < m.Lo || a.port > m.Hi) {
				return nil, false
			}
			if !ports {
				lo, hi, ports = m.Lo, m.Hi, true
			}
			continue
		}
		if !ok || src != a.source {
			keep = append(keep, m)
			continue
		}
		if !p.Overlaps(addr) {
			return nil, false
		}
		if p.Bits() > addr.Bits() {
			addr = p
		}
	}
	out := []rules.Match{rules.Match(rules.Destination{Prefix: addr})}
	if a.source {
		out[0] = rules.Source{Prefix: addr}
	}
	if proto != 0 {
		out = append(out, rules.Proto{Proto: proto})
	}
	if ports {
		out = append(out, rules.DestPort{Lo: lo, Hi: hi})
	}
	out = append(out, keep...)
	return out, familiesAgree(out)
}

func familiesAgree(ms []rules.Match) bool {
	r := rules.Rule{Match: ms}
	return r.InFamily(4) || r.InFamily(6)
}
