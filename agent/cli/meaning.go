package cli

import (
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/meaning"
)

// Meaning says who gains and who loses when what the kernel holds gives way to
// the ruleset.
type Meaning func(before Before, after rules.Ruleset, s netinfo.Snapshot) (meaning.Difference, error)

// Before is what the kernel holds, and how rules are written there.
type Before struct {
	State   iptables.State
	Options iptables.Options
}

// Mean is the Meaning that System uses.
func Mean(before Before, after rules.Ruleset, s netinfo.Snapshot) (meaning.Difference, error) {
	old, foreign := before.ruleset()
	d := meaning.Compare(old, after, s, meaning.Options{})
	if foreign > 0 {
		d.LeftOut = append(d.LeftOut, count(foreign, "rule")+" in dockwall's chains that dockwall did not write")
	}
	return d, nil
}

// ruleset reads the kernel's chains and sets as a ruleset; foreign counts the
// rules in our chains that nobody of ours wrote. Where a family has no hook of
// ours every packet passes.
func (b Before) ruleset() (rs rules.Ruleset, foreign int) {
	sets := map[string]*rules.Set{}
	for _, s := range b.State.Sets {
		name := setName(s.Name)
		have := sets[name]
		if have == nil {
			have = &rules.Set{Name: name, Type: rules.SetType(s.Type)}
			sets[name] = have
			rs.Sets = append(rs.Sets, rules.Set{Name: name})
		}
		have.Members = append(have.Members, wholes(s.Members)...)
	}
	for i := range rs.Sets {
		rs.Sets[i] = *sets[rs.Sets[i].Name]
	}
	families := []seenFamily{
		{b.State.V4, "", netip.PrefixFrom(netip.IPv4Unspecified(), 0)},
		{b.State.V6, "/6", netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
	}
	for _, f := range families {
		foreign += f.read(&rs, sets)
	}
	return rs, foreign
}

// wholes joins the halves that stand for every address of a family, which the
// kernel's sets cannot hold in one.
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

// setName is the ruleset's name of a set of the kernel's.
func setName(kernel string) string {
	return strings.TrimPrefix(strings.TrimPrefix(kernel, "dockwall4-"), "dockwall6-")
}

// seenFamily is one family's tables. Its chains get the suffix, and its rules a
// match that holds for the family only, so that both are one ruleset.
type seenFamily struct {
	tables []iptables.Table
	suffix string
	all    netip.Prefix
}

func (f seenFamily) read(rs *rules.Ruleset, sets map[string]*rules.Set) (foreign int) {
	for _, t := range f.tables {
		if t.Name != "filter" {
			continue
		}
		for _, c := range t.Chains {
			switch {
			case strings.HasPrefix(c.Name, "DOCKWALL-"):
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

func (f seenFamily) chain(c iptables.Chain, sets map[string]*rules.Set) (out rules.Chain, foreign int) {
	out.Name = c.Name + f.suffix
	for _, text := range c.Rules {
		r, err := iptables.ParseRule(c.Name, text)
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

// known tells that the sets that the rule looks into are there.
func known(r rules.Rule, sets map[string]*rules.Set) bool {
	for _, m := range r.Match {
		in, ok := m.(rules.InSet)
		if ok && (sets[in.Set] == nil || len(in.Dims) != sets[in.Set].Type.Dims()) {
			return false
		}
	}
	return true
}

// hook adds our jump in a base chain, if it is there. Both families share one
// hook, which parts them.
func (f seenFamily) hook(rs *rules.Ruleset, base iptables.Chain, t iptables.Table) {
	for _, c := range t.Chains {
		jumps := slices.ContainsFunc(base.Rules, func(r string) bool { return strings.HasSuffix(r, " -j "+c.Name) })
		if !jumps || !strings.HasPrefix(c.Name, "DOCKWALL-") {
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
