package compile

import (
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/policy"
)

// nics returns the interfaces that the blocks stand for now: the names as
// written, whether there or not, and the links that have an address inside.
func (b *scope) nics(via []*policy.Interfaces) []link {
	var ls []link
	for _, v := range via {
		for _, n := range v.Names {
			name, prefix := strings.CutSuffix(n, "*")
			ls = append(ls, link{name: name, prefix: prefix})
		}
		for _, l := range b.s.Links {
			if hasAddrIn(l, v) && matchable(l.Name) {
				ls = append(ls, link{name: l.Name})
			}
		}
	}
	// Names that a prefix covers add nothing.
	all := slices.Clone(ls)
	ls = slices.DeleteFunc(ls, func(l link) bool {
		return slices.ContainsFunc(all, func(o link) bool {
			return o != l && o.prefix && strings.HasPrefix(l.name, o.name)
		})
	})
	slices.SortFunc(ls, func(x, y link) int { return strings.Compare(x.name, y.name) })
	return slices.Compact(ls)
}

func hasAddrIn(l netinfo.Link, v *policy.Interfaces) bool {
	return slices.ContainsFunc(l.Addrs, func(a netinfo.Prefix) bool {
		return slices.ContainsFunc(v.Prefixes, func(p netinfo.Prefix) bool { return p.Contains(a.Addr()) })
	})
}
