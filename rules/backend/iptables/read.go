package iptables

import (
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"

	"dockwall/rules"
)

// readRuleset reads our chains of the filter table and our sets as a ruleset; foreign
// counts the rules in our chains that dockwall did not write. If a family has no hook of
// ours, every packet of it passes. The guard and the early table are left out: the guard
// repeats denials, and the early table drops forged sources only.
func readRuleset(s State) (rs rules.Ruleset, foreign int) {
	sets := map[string]*rules.Set{}
	for _, set := range s.Sets {
		name := setName(set.Name)
		have := sets[name]
		if have == nil {
			have = &rules.Set{Name: name, Type: rules.SetType(set.Type)}
			sets[name] = have
			rs.Sets = append(rs.Sets, rules.Set{Name: name})
		}
		have.Members = append(have.Members, wholes(set.Members)...)
	}
	for i := range rs.Sets {
		rs.Sets[i] = *sets[rs.Sets[i].Name]
	}
	families := []seenFamily{
		{s.V4, "", netip.PrefixFrom(netip.IPv4Unspecified(), 0)},
		{s.V6, "/6", netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
	}
	for _, f := range families {
		foreign += f.read(&rs, sets)
	}
	return rs, foreign
}

// wholes joins the halves that stand for all addresses of a family (see halves).
func wholes(ms []rules.Member) []rules.Member {
	for i, m := range ms {
		last := netipx.PrefixLastIP(m.Prefix)
		if m.Prefix.Bits() != 1 || !m.Prefix.Addr().IsUnspecified() {
			continue
		}
		other := m
		other.Prefix = netip.PrefixFrom(last.Next(), 1)
		if j := slices.Index(ms, other); j >= 0 {
			out := slices.Delete(slices.Clone(ms), j, j+1)
			out[i].Prefix = netip.PrefixFrom(m.Prefix.Addr(), 0)
			return wholes(out)
		}
	}
	return ms
}

// setName returns the ruleset's name of a kernel set.
func setName(kernel string) string {
	return strings.TrimPrefix(strings.TrimPrefix(kernel, sets4), sets6)
}

// seenFamily is one family's tables. To make one ruleset of both families, its chains get
// the suffix, and its rules a match that holds for the family only.
type seenFamily struct {
	tables []Table
	suffix string
	all    netip.Prefix
}

func (f seenFamily) read(rs *rules.Ruleset, sets map[string]*rules.Set) (foreign int) {
	for _, t := range f.tables {
		if t.Name != tableFilter {
			continue
		}
		for _, c := range t.Chains {
			switch {
			case owned(c.Name):
				chain, n := f.chain(c, sets)
				rs.Chains = append(rs.Chains, chain)
				foreign += n
			case c.Name == string(rules.BaseDockerUser) || c.Name == string(rules.BaseInput):
				f.hook(rs, c, t)
			}
		}
	}
	return foreign
}

func (f seenFamily) chain(c Chain, sets map[string]*rules.Set) (out rules.Chain, foreign int) {
	out.Name = c.Name + f.suffix
	for _, text := range c.Rules {
		r, err := ParseRule(c.Name, text)
		if err != nil || !known(r, sets) {
			foreign++
			continue
		}
		r.Match = append(r.Match, rules.Source{Prefix: f.all})
		if r.Verdict.Chain != "" {
			r.Verdict.Chain += f.suffix
		}
		out.Rules = append(out.Rules, r)
	}
	return out, foreign
}

// known reports whether the sets that the rule looks up exist, and have the type that it
// expects.
func known(r rules.Rule, sets map[string]*rules.Set) bool {
	for _, m := range r.Match {
		in, ok := m.(rules.InSet)
		if ok && (sets[in.Set] == nil || len(in.Dims) != sets[in.Set].Type.Dims()) {
			return false
		}
	}
	return true
}

// hook adds our jump in a base chain, if it exists. Both families share one hook, whose
// rules tell them apart.
func (f seenFamily) hook(rs *rules.Ruleset, base Chain, t Table) {
	for _, c := range t.Chains {
		jumps := slices.ContainsFunc(base.Rules, func(r string) bool { return strings.HasSuffix(r, " -j "+c.Name) })
		if !jumps || !owned(c.Name) {
			continue
		}
		chain, there := rs.Chain(base.Name)
		if !there {
			rs.Hooks = append(rs.Hooks, rules.Hook{Base: rules.Base(base.Name), Chain: base.Name})
			rs.Chains = append(rs.Chains, rules.Chain{Name: base.Name})
			chain = &rs.Chains[len(rs.Chains)-1]
		}
		chain.Rules = append(chain.Rules, rules.Rule{Match: []rules.Match{rules.Source{Prefix: f.all}},
			Verdict: rules.Verdict{Kind: rules.Goto, Chain: c.Name + f.suffix}})
	}
}
