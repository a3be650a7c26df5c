package iptables

import (
	"cmp"
	"fmt"
	"slices"

	"dockwall/rules"
)

// Inline is the same ruleset without sets: every lookup is written out as
// rules, which grow with the sum of the members.
//
// A rule that asks several sets is written as stages, a chain each. Where its
// verdict comes back to the chain anyway (Drop, Reject, Jump, Log) a stage is
// jumped to and returns when it does not match:
//
//	C:  M, a1 -j H    H:  b1 -> V
//	    M, a2 -j H        b2 -> V
//	    rest
//
// Return and Goto end in the chain that jumped to this one, so on the way to
// them only Goto is used, and the rest of the chain is a chain of its own:
//
//	C:  M, a1 -g H    H:  b1 -> V     R:  rest
//	    M, a2 -g H        b2 -> V
//	    -g R              -g R
//
// nftables allows 16 chains on one path, and each of these adds two. When a
// chain's share is used up, the rules whose product is smallest are written as
// that product. A Return or Goto that holds unless an address and port are in a
// set has no product: several of those in one chain can become too deep for
// nftables, which Validate tells. No policy compiles to one.
func Inline(rs rules.Ruleset) rules.Ruleset {
	in := inliner{rs: &rs, share: share(rs)}
	for _, c := range rs.Chains {
		in.chain(c)
	}
	return withoutUnreached(rules.Ruleset{Chains: in.out, Hooks: slices.Clone(rs.Hooks)})
}

// withoutUnreached leaves out chains that only rules led to which never hold.
func withoutUnreached(rs rules.Ruleset) rules.Ruleset {
	in := reached(rs, stages()...)
	rs.Chains = slices.DeleteFunc(rs.Chains, func(c rules.Chain) bool { return !in[c.Name] })
	return rs
}

// maxProduct is the longest product that is written out. What is longer gets
// stages even where nftables will find the path too long: legacy does not.
const maxProduct = 1 << 16

type inliner struct {
	rs    *rules.Ruleset
	share int // how much deeper each chain may become
	out   []rules.Chain
	// at is the place in out of the chain being written.
	at int
	// root is the chain being written out; n numbers what is made of it.
	root string
	n    int
}

// share divides the depth that is left among the chains of the longest path.
func share(rs rules.Ruleset) int {
	known := map[string]int{}
	var depth func(string) int
	depth = func(name string) int {
		c, ok := rs.Chain(name)
		if !ok {
			return 0
		}
		if d, ok := known[name]; ok {
			return d
		}
		d := 0
		for _, r := range c.Rules {
			if r.Verdict.Kind == rules.Jump || r.Verdict.Kind == rules.Goto {
				d = max(d, depth(r.Verdict.Chain))
			}
		}
		known[name] = d + 1
		return d + 1
	}
	longest := 1
	for _, h := range rs.Hooks {
		longest = max(longest, depth(h.Chain))
	}
	const stages = 3 // what Jump stages add at the path's end
	return max(0, rules.MaxDepth-longest-stages) / longest
}

func (in *inliner) chain(c rules.Chain) {
	c.Rules = in.withoutRepeated(c.Rules)
	in.root, in.n = c.Name, 0
	in.at = len(in.out)
	in.out = append(in.out, rules.Chain{Name: c.Name})
	ws := make([]written, len(c.Rules))
	for i, r := range c.Rules {
		ws[i] = in.expand(r)
	}
	staged := in.choose(ws)
	for i, w := range ws {
		in.rule(w, staged[i], i == len(ws)-1)
	}
}

// withoutRepeated leaves out rules that follow one which asks another set of the same
// members for the same verdict. They are there for sets that another program empties.
func (in *inliner) withoutRepeated(all []rules.Rule) []rules.Rule {
	return slices.CompactFunc(slices.Clone(all), func(a, b rules.Rule) bool {
		if len(a.Match) != 1 || len(b.Match) != 1 || a.Verdict != b.Verdict {
			return false
		}
		x, ok := a.Match[0].(rules.InSet)
		y, also := b.Match[0].(rules.InSet)
		if !ok || !also || x.Not || y.Not || !slices.Equal(x.Dims, y.Dims) {
			return false
		}
		first, _ := in.rs.Set(x.Set)
		second, _ := in.rs.Set(y.Set)
		return slices.Equal(first.Members, second.Members)
	})
}

// choose picks the leaving rules that get stages, those first that would be
// longest as a product.
func (in *inliner) choose(ws []written) []bool {
	staged := make([]bool, len(ws))
	var order []int
	for i, w := range ws {
		switch {
		case !w.leaves() || w.simple():
		case len(w.skips) > 0 || w.limit != nil:
			staged[i] = true
		case w.product() > 2*w.sum()+16:
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ws[b].product(), ws[a].product()) })
	left := in.share
	for _, i := range order {
		if cost := len(ws[i].alts); cost <= left || ws[i].product() > maxProduct {
			staged[i] = true
			left -= cost
		}
	}
	return staged
}

func (in *inliner) rule(w written, staged, last bool) {
	switch {
	case w.never:
	case w.simple():
		in.all(w.base, w.alts, func(m []rules.Match) { in.emit(w.withLimit(m), w.rule.Verdict, w.rule) })
	case !w.leaves():
		in.jumpStages(w)
	case staged:
		in.gotoStages(w, last)
	default:
		in.all(w.base, w.alts, func(m []rules.Match) { in.emit(m, w.rule.Verdict, w.rule) })
	}
}

// all calls f with every combination of base and one of each list that can
// hold at once.
func (in *inliner) all(base []rules.Match, lists [][]alt, f func([]rules.Match)) {
	if len(lists) == 0 {
		f(base)
		return
	}
	for _, a := range lists[0] {
		if m, ok := merge(base, a); ok {
			in.all(m, lists[1:], f)
		}
	}
}

func (in *inliner) emit(m []rules.Match, v rules.Verdict, like rules.Rule) {
	c := &in.out[in.at]
	c.Rules = append(c.Rules, rules.Rule{Match: m, Verdict: v, Origin: like.Origin})
}

// open makes a chain and writes there from now on.
func (in *inliner) open(name string) {
	in.at = len(in.out)
	in.out = append(in.out, rules.Chain{Name: name})
}

func (in *inliner) name() string {
	in.n++
	return rules.PurposeName("DOCKWALL-I", in.root, fmt.Sprint(in.n))
}

func (in *inliner) jumpStages(w written) {
	back := in.at
	base, lists := w.base, w.alts
	first := lists
	if len(first) > 1 {
		first = first[:1]
	}
	next := in.name()
	in.all(base, first, func(m []rules.Match) {
		in.emit(m, rules.Verdict{Kind: rules.Jump, Chain: next}, w.rule)
	})
	in.open(next)
	for _, skip := range w.skips {
		in.all(nil, [][]alt{skip}, func(m []rules.Match) { in.emit(m, rules.Verdict{Kind: rules.Return}, w.rule) })
	}
	for i := 1; i < len(lists); i++ {
		v := w.rule.Verdict
		if i < len(lists)-1 || w.limit != nil {
			next = in.name()
			v = rules.Verdict{Kind: rules.Jump, Chain: next}
		}
		in.all(nil, lists[i:i+1], func(m []rules.Match) { in.emit(m, v, w.rule) })
		if v.Kind == rules.Jump && v.Chain == next {
			in.open(next)
		}
	}
	if len(lists) < 2 || w.limit != nil {
		in.emit(w.withLimit(w.proto()), w.rule.Verdict, w.rule)
	}
	in.at = back
}

func (in *inliner) gotoStages(w written, last bool) {
	rest := in.name()
	leave := func() {
		if !last {
			in.emit(nil, rules.Verdict{Kind: rules.Goto, Chain: rest}, w.rule)
		}
	}
	first := w.alts
	if len(first) > 1 {
		first = first[:1]
	}
	next := in.name()
	in.all(w.base, first, func(m []rules.Match) {
		in.emit(m, rules.Verdict{Kind: rules.Goto, Chain: next}, w.rule)
	})
	leave()
	in.open(next)
	for _, skip := range w.skips {
		v := rules.Verdict{Kind: rules.Goto, Chain: rest}
		if last {
			v = rules.Verdict{Kind: rules.Return}
		}
		in.all(nil, [][]alt{skip}, func(m []rules.Match) { in.emit(m, v, w.rule) })
	}
	for i := 1; i < len(w.alts); i++ {
		v := w.rule.Verdict
		final := i == len(w.alts)-1 && w.limit == nil
		if !final {
			next = in.name()
			v = rules.Verdict{Kind: rules.Goto, Chain: next}
		}
		in.all(nil, w.alts[i:i+1], func(m []rules.Match) { in.emit(m, v, w.rule) })
		leave()
		if !final {
			in.open(next)
		}
	}
	if len(w.alts) < 2 || w.limit != nil {
		in.emit(w.withLimit(w.proto()), w.rule.Verdict, w.rule)
		if w.limit != nil {
			leave()
		}
	}
	if !last {
		in.open(rest)
	}
}
