package compile

import (
	"net/netip"

	"dockwall/rules"
	"dockwall/rules/policy"
)

// list is a list of addresses as a set's members, and the name that stands for
// them.
type list struct {
	prefixes []netip.Prefix
	members  []rules.Member
	name     string
}

// lists remembers what was made of the lists: naming a long one costs more than
// all the rest. Lists are values, so that one at the same place, of the same
// length, is the same one as long as it is held on to.
type lists map[*netip.Prefix]list

// of returns what the list, which is not empty, comes to.
func (ls lists) of(ps []netip.Prefix) list {
	if l, ok := ls[&ps[0]]; ok && len(l.prefixes) == len(ps) {
		return l
	}
	members := make([]rules.Member, len(ps))
	for i, p := range ps {
		members[i] = rules.Member{Prefix: p}
	}
	l := list{ps, members, rules.ContentName("a", rules.HashNet, members)}
	ls[&ps[0]] = l
	return l
}

// remember takes over what an earlier compilation made of the lists that the
// policy still has. What it has no more is let go.
func (ls lists) remember(before lists, p policy.Policy) {
	for _, a := range p.Addresses {
		if len(a.Prefixes) == 0 {
			continue
		}
		if l, ok := before[&a.Prefixes[0]]; ok && len(l.prefixes) == len(a.Prefixes) {
			ls[&a.Prefixes[0]] = l
		}
	}
}
