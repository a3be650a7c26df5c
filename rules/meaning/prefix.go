package meaning

import (
	"net/netip"
	"slices"

	"go4.org/netipx"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// prefixes are those that the rulesets look addresses up in on that side of a
// packet, with the two of length 0, sorted.
func prefixes(side rules.Dim, rss ...rules.Ruleset) []netip.Prefix {
	all := []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)}
	done := map[string]int{}
	for i := range rss {
		sets := map[string]bool{}
		for _, c := range rss[i].Chains {
			for _, r := range c.Rules {
				for _, m := range r.Match {
					p, set := asked(m, side)
					if p.IsValid() {
						all = append(all, p)
					}
					if set != "" {
						sets[set] = true
					}
				}
			}
		}
		for _, s := range rss[i].Sets {
			// A content name is one content: both rulesets often share it.
			// Sources that cannot be forged, and groups, are no part of what a policy says.
			if rules.IsFramingSet(s.Name) || !sets[s.Name] || s.Type != rules.HashNet || done[s.Name] == len(s.Members)+1 {
				continue
			}
			done[s.Name] = len(s.Members) + 1
			for _, m := range s.Members {
				all = append(all, m.Prefix)
			}
		}
	}
	return policy.SortPrefixes(all)
}

// asked is the prefix or the set of addresses that the match asks of the side.
func asked(m rules.Match, side rules.Dim) (netip.Prefix, string) {
	switch m := m.(type) {
	case rules.Source:
		if side == rules.Src {
			return m.Prefix, ""
		}
	case rules.Destination:
		if side == rules.Dst {
			return m.Prefix, ""
		}
	case rules.InSet:
		if m.Dims[0] == side && len(m.Dims) == 1 {
			return netip.Prefix{}, m.Set
		}
	}
	return netip.Prefix{}, ""
}

// lone returns for each prefix, sorted, an address that is in it and in none
// of the longer ones inside; invalid where those leave none.
func lone(ps []netip.Prefix) []netip.Addr {
	out := make([]netip.Addr, len(ps))
	for i, p := range ps {
		a := p.Addr()
		for j := i + 1; j < len(ps) && a.IsValid() && p.Contains(a) && !a.Less(ps[j].Addr()); j++ {
			if ps[j].Contains(a) {
				a = netipx.PrefixLastIP(ps[j]).Next()
			}
		}
		if a.IsValid() && p.Contains(a) {
			out[i] = a
		}
	}
	return out
}

// class are addresses, interfaces or targets that the rules do not tell
// apart: one that stands for all, and the names of all.
type class[T any] struct {
	rep    T
	labels []string
	// id is the number of the list of labels.
	id int
}

func numbered[T any](cs []class[T], l *labels) {
	for i := range cs {
		cs[i].id = l.id(cs[i].labels)
	}
}

// classes collects by key, in the order of the first of each.
type classes[T any] struct {
	at   map[string]int
	list []class[T]
}

func (c *classes[T]) add(key string, rep T, label string) {
	if c.at == nil {
		c.at = map[string]int{}
	}
	i, ok := c.at[key]
	if !ok {
		i = len(c.list)
		c.at[key] = i
		c.list = append(c.list, class[T]{rep: rep})
	}
	if l := c.list[i].labels; !slices.Contains(l[max(0, len(l)-8):], label) {
		c.list[i].labels = append(l, label)
	}
}
