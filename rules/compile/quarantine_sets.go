package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// quarantineKind begins the names of sets for quarantine blocks.
const quarantineKind = "q"

// quarantineWords spell out what the block asks for.
func quarantineWords(q *policy.Quarantine) []string {
	return slices.Concat([]string{q.Name}, q.On, []string{"except"}, selectorWords(q.Except))
}

// cutSet is the set of the addresses that the block cuts off; with words, a second one.
func (b *members) cutSet(q *policy.Quarantine, side rules.Dim, words ...string) rules.InSet {
	name := rules.PurposeName(quarantineKind, slices.Concat(quarantineWords(q), words)...)
	b.gather(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Origin: q.Origin}, func(c netinfo.Container) (ms []rules.Member) {
		return b.addressesOn(c, func(n netinfo.Network) bool { return b.cut(q, c, n.Name) })
	})
	return rules.InSet{Set: name, Dims: []rules.Dim{side}}
}

// cutPorts is the set of the host's ports of containers that the block cuts off.
func (b *members) cutPorts(q *policy.Quarantine, words []string) rules.InSet {
	anywhere := b.proxied(func(c netinfo.Container, _ netinfo.PublishedPort) bool {
		return slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool {
			n, ok := b.network(e.NetworkID)
			return ok && n.Bridge != "" && b.cut(q, c, n.Name)
		})
	})
	return b.portSet(quarantineKind, slices.Concat(quarantineWords(q), []string{"ports"}, words), func(c netinfo.Container) []rules.Member {
		if ms := listening(c); len(ms) > 0 && b.cut(q, c, hostNetwork) {
			return ms
		}
		return anywhere(c)
	}, q.Origin)
}

// addressesOn are the container's addresses on the networks that want accepts, those that
// it was seen to use, and those that routes lead to by way of it.
func (b *members) addressesOn(c netinfo.Container, want func(netinfo.Network) bool) (ms []rules.Member) {
	for _, e := range c.Endpoints {
		n, ok := b.network(e.NetworkID)
		if !ok || n.Bridge == "" || !want(n) {
			continue
		}
		for _, a := range slices.Concat(e.Addrs, e.Seen) {
			ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen())})
		}
		for _, r := range b.s.Routes {
			if r.Link == n.Bridge && slices.Contains(e.Addrs, r.Gateway) {
				ms = append(ms, rules.Member{Prefix: r.Prefix.Masked()})
			}
		}
	}
	return ms
}

// cut reports whether the block cuts the container off on the network: because of itself,
// or of one that shares its network.
func (b *scope) cut(q *policy.Quarantine, c netinfo.Container, network string) bool {
	return slices.ContainsFunc(b.together(c), func(k netinfo.Container) bool {
		return q.Holds(k) && (len(q.Except) == 0 || !selects(q.Except, k, network))
	})
}

// judged reports whether the audit has judged the container and those that share its
// network.
func (b *scope) judged(c netinfo.Container) bool {
	return !slices.ContainsFunc(b.together(c), func(k netinfo.Container) bool { return !k.Judged })
}

// together are the container and those that share its network.
func (b *scope) together(c netinfo.Container) []netinfo.Container {
	return append([]netinfo.Container{c}, b.sharing[c.ID]...)
}

// sharers are the containers that share the network of another, by that one's ID. A
// change of one of them changes what is said of the other: everything is compiled again.
func (b *members) sharers() map[string][]netinfo.Container {
	if len(b.p.Quarantines) == 0 || !b.anyContainer(func(c netinfo.Container) bool { return c.SharesWith != "" }) {
		return nil
	}
	with := map[string]string{}
	for _, c := range b.s.Containers {
		with[c.ID] = c.SharesWith
	}
	all := map[string][]netinfo.Container{}
	for _, c := range b.s.Containers {
		id := c.SharesWith
		for range b.s.Containers {
			if with[id] == "" {
				break
			}
			id = with[id]
		}
		if id != "" && id != c.ID {
			all[id] = append(all[id], c)
		}
	}
	return all
}

// clearedSet is the set of the addresses of which it is known that no quarantine block
// cuts them off.
func (b *members) clearedSet(side rules.Dim) rules.InSet {
	var words []string
	for _, q := range b.p.Quarantines {
		words = append(words, quarantineWords(q)...)
	}
	name := rules.PurposeName("k", append([]string{"cleared"}, words...)...)
	rest := append(b.strangers(), b.reserved()...)
	for _, a := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		rest = append(rest, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen())})
	}
	for _, r := range b.s.Routes {
		if !r.Gateway.IsValid() || slices.Contains(b.s.Strangers, r.Gateway) {
			rest = append(rest, rules.Member{Prefix: r.Prefix.Masked()})
		}
	}
	b.gather(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Origin: byHold}, func(c netinfo.Container) []rules.Member {
		if !b.judged(c) {
			return nil
		}
		return b.addressesOn(c, func(n netinfo.Network) bool {
			return !slices.ContainsFunc(b.p.Quarantines, func(q *policy.Quarantine) bool { return b.cut(q, c, n.Name) })
		})
	}, rest...)
	return rules.InSet{Set: name, Dims: []rules.Dim{side}, Not: true}
}
