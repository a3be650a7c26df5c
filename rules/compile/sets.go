package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// addSet puts the set into the ruleset unless one of that name is there: names
// stand for content or purpose, so it is the same one.
func (b *members) addSet(s rules.Set) {
	if !b.named[s.Name] {
		b.named[s.Name] = true
		b.sets = append(b.sets, s)
	}
}

// portion gives the members that one container adds to a set. It goes by the
// container, the networks and the policy alone, so that a set can be kept while
// containers come and go.
type portion func(c netinfo.Container) []rules.Member

// gathered is a set that containers are in.
type gathered struct {
	set     string
	portion portion
	// extra counts the members that there is more than one reason for, less
	// that one.
	extra map[rules.Member]int
	// listening returns the members at these ports, as often as there are reasons
	// for each; nil if the set does not depend on the host's own services.
	listening func(ports map[hostPort]bool) []rules.Member
}

// anyContainer reports whether it holds for one. The rules may go by that.
func (b *members) anyContainer(f func(netinfo.Container) bool) bool {
	b.shaping = append(b.shaping, f)
	return slices.ContainsFunc(b.s.Containers, f)
}

// gather makes the set of what all containers add, and of the rest, which no
// container has to do with.
func (b *members) gather(s rules.Set, p portion, rest ...rules.Member) {
	if b.named[s.Name] {
		return
	}
	ms := rest
	for _, c := range b.s.Containers {
		ms = append(ms, p(c)...)
	}
	slices.SortFunc(ms, rules.Member.Compare)
	g := gathered{set: s.Name, portion: p, extra: map[rules.Member]int{}}
	for i := 1; i < len(ms); i++ {
		if ms[i] == ms[i-1] {
			g.extra[ms[i]]++
		}
	}
	s.Members = slices.Compact(ms)
	b.gathered = append(b.gathered, g)
	b.addSet(s)
}

// listening says that the set, which is made, depends on the host's own services.
func (b *members) listening(set string, f func(ports map[hostPort]bool) []rules.Member) {
	for i := range b.gathered {
		if b.gathered[i].set == set {
			b.gathered[i].listening = f
		}
	}
}

// addresses returns the matches that hold for addresses of the list on that
// side of the packet; never is true where the list is empty and nothing can.
func (b *members) addresses(l policy.AddressList, side rules.Dim, o rules.Origin) (ms []rules.Match, never bool) {
	if l.Any() {
		return nil, false
	}
	ps := l.Prefixes()
	switch len(ps) {
	case 0:
		return nil, true
	case 1:
		if side == rules.Src {
			return []rules.Match{rules.Source{Prefix: ps[0]}}, false
		}
		return []rules.Match{rules.Destination{Prefix: ps[0]}}, false
	}
	return []rules.Match{b.prefixSet(ps, side, o)}, false
}

// except returns the matches that hold for addresses outside the list.
func (b *members) except(l policy.AddressList, side rules.Dim, o rules.Origin) (ms []rules.Match, never bool) {
	if l.Empty() {
		return nil, false
	}
	if l.Any() {
		return nil, true
	}
	ps := l.Prefixes()
	if len(ps) == 0 {
		return nil, false
	}
	// Always a set, even of one: a negated Source would tie the rule to one
	// family, and the other family's packets are outside the list as well.
	m := b.prefixSet(ps, side, o)
	m.Not = true
	return []rules.Match{m}, false
}

// prefixSet is a set named by its content. Members are sorted already: the
// list they come from is.
func (b *members) prefixSet(ps []netip.Prefix, side rules.Dim, o rules.Origin) rules.InSet {
	l := b.lists.of(ps)
	b.addSet(rules.Set{Name: l.name, Type: rules.HashNet, Members: l.members, Origin: o})
	return rules.InSet{Set: l.name, Dims: []rules.Dim{side}}
}

// containerSet is the set of the addresses that the selectors choose. On the
// source side it is what a block allows, so that an address which another
// container was seen to use is left out: it is unknown which of them sends.
func (b *members) containerSet(sels []*policy.Selector, side rules.Dim, o rules.Origin) rules.InSet {
	kind := "c"
	if side == rules.Src {
		kind = "w"
	}
	name := rules.PurposeName(kind, selectorWords(sels)...)
	b.gather(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Origin: o}, func(c netinfo.Container) []rules.Member {
		var ms []rules.Member
		for _, a := range b.selected(sels, c) {
			if side == rules.Dst || !disputed(c, a) {
				ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen())})
			}
		}
		if side == rules.Src {
			ms = append(ms, b.sendingFor(sels, c)...)
		}
		return ms
	})
	return rules.InSet{Set: name, Dims: []rules.Dim{side}}
}

func disputed(c netinfo.Container, a netip.Addr) bool {
	return slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool { return slices.Contains(e.Disputed, a) })
}

// portSet is a set of host addresses and ports, named for its purpose. Looked
// up by destination.
func (b *members) portSet(kind string, words []string, p portion, o rules.Origin, rest ...rules.Member) rules.InSet {
	name := rules.PurposeName(kind, words...)
	b.gather(rules.Set{Name: name, Type: rules.HashNetPort, InPlace: true, Origin: o}, p, rest...)
	return rules.InSet{Set: name, Dims: []rules.Dim{rules.Dst, rules.Dst}}
}

// selected returns the container's addresses that one of the selectors covers;
// no selectors cover all. Addresses that never meet the host's rules (macvlan)
// are left out.
func (b *scope) selected(sels []*policy.Selector, c netinfo.Container) []netip.Addr {
	var as []netip.Addr
	for _, e := range c.Endpoints {
		n, ok := b.network(e.NetworkID)
		if ok && n.Bridge != "" && selects(sels, c, n.Name) {
			as = append(as, e.Addrs...)
		}
	}
	return as
}

// selects reports whether one of the selectors covers the container on the
// network; no selectors cover all.
func selects(sels []*policy.Selector, c netinfo.Container, network string) bool {
	return len(sels) == 0 || slices.ContainsFunc(sels, func(s *policy.Selector) bool {
		return s.Match(c) && (len(s.Networks) == 0 || network != "" && s.OnNetwork(network))
	})
}

// hostNetwork is what Docker calls the host's own network.
const hostNetwork = "host"

// names reports whether one of the selectors chooses the container of the host's
// own network, which Docker calls host.
func names(sels []*policy.Selector, c netinfo.Container) bool {
	return c.HostNetwork && c.SharesWith == "" && len(sels) > 0 && selects(sels, c, hostNetwork)
}

// selectorWords spells out what the selectors ask for, so that a set's name
// changes when its meaning does, and only then.
func selectorWords(sels []*policy.Selector) []string {
	var all []string
	for _, s := range sels {
		var ws []string
		list := func(kind string, vs []string) {
			for _, v := range slices.Sorted(slices.Values(vs)) {
				ws = append(ws, kind, v)
			}
		}
		list("name", s.Names)
		list("image", s.Images)
		list("network", s.Networks)
		for _, l := range s.Labels {
			ws = append(ws, "label", l.Key, l.Value)
		}
		for _, c := range s.Compose {
			ws = append(ws, "compose", c.Project, c.Service)
		}
		all = append(all, rules.PurposeName("s", ws...))
	}
	slices.Sort(all)
	return slices.Compact(all)
}
