package compile

import (
	"net/netip"
	"slices"

	"go4.org/netipx"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// What lies behind a container, such as a VPN's clients, sends by the container's port
// of the bridge: the container's policies hold for it.

// sendingFor returns the addresses behind the container that it sends for on the
// networks that the selectors cover. Addresses in a network's subnet are not among them,
// since each may be another container's.
func (b *scope) sendingFor(sels []*policy.Selector, c netinfo.Container) (ms []rules.Member) {
	for _, e := range c.Endpoints {
		n, ok := b.network(e.NetworkID)
		if !ok || n.Bridge == "" || !selects(sels, c, n.Name) {
			continue
		}
		for _, a := range e.Seen {
			if !slices.ContainsFunc(n.Subnets, func(p netip.Prefix) bool { return p.Contains(a) }) {
				ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen())})
			}
		}
		ms = append(ms, b.behindEndpoint(n, e)...)
	}
	return ms
}

// behindEndpoint returns the prefixes to which the host's routes lead by the endpoint.
// Longer routes by the same bridge are taken out, and so are the subnets of networks and
// addresses to which another bridge leads as well: no set tells by which one they came.
func (b *scope) behindEndpoint(n netinfo.Network, e netinfo.Endpoint) []rules.Member {
	byIt := func(r netinfo.Route) bool { return r.Link == n.Bridge && slices.Contains(e.Addrs, r.Gateway) }
	if !slices.ContainsFunc(b.s.Routes, byIt) {
		return nil
	}
	routes := slices.DeleteFunc(slices.Clone(b.s.Routes), func(r netinfo.Route) bool { return r.Link != n.Bridge })
	// Shorter prefixes first: each longer one replaces a part of them. Of equal ones
	// every gateway counts.
	slices.SortStableFunc(routes, func(x, y netinfo.Route) int { return x.Prefix.Bits() - y.Prefix.Bits() })
	var behind netipx.IPSetBuilder
	for i, r := range routes {
		if i == 0 || routes[i-1].Prefix.Bits() < r.Prefix.Bits() {
			for _, same := range routes[i:] {
				if same.Prefix.Bits() == r.Prefix.Bits() {
					behind.RemovePrefix(same.Prefix)
				}
			}
		}
		if byIt(r) {
			behind.AddPrefix(r.Prefix)
		}
	}
	for _, r := range b.s.Routes {
		if r.Link != n.Bridge {
			behind.RemovePrefix(r.Prefix)
		}
	}
	for _, other := range b.s.Networks {
		for _, p := range other.Subnets {
			if other.Bridge != "" {
				behind.RemovePrefix(p)
			}
		}
	}
	set, err := behind.IPSet()
	if err != nil {
		return nil
	}
	var ms []rules.Member
	for _, p := range set.Prefixes() {
		ms = append(ms, rules.Member{Prefix: p})
	}
	return ms
}
