package facts

import (
	"net/netip"

	"go4.org/netipx"

	"dockwall/netinfo/hostnet"
)

// cgnat are the addresses that providers and overlay VPNs give to their clients
// (RFC 6598).
var cgnat = netip.MustParsePrefix("100.64.0.0/10")

// isDefault reports whether the route is a default route or a large part of one,
// such as the halves 0.0.0.0/1 and 128.0.0.0/1 that VPN clients add.
func isDefault(p netip.Prefix) bool {
	switch {
	case isPrivate(p):
		return false
	case p.Addr().Is4():
		return p.Bits() < 8
	}
	return p.Bits() < 16
}

// isPrivate reports whether no address of the prefix is on the Internet.
func isPrivate(p netip.Prefix) bool {
	first, last := p.Masked().Addr(), netipx.PrefixLastIP(p)
	return first.IsPrivate() && last.IsPrivate() && p.Bits() >= 7 || cgnat.Contains(first) && cgnat.Contains(last)
}

// hop is a next hop.
type hop struct {
	link    int
	gateway netip.Addr
}

// behind returns those of the routes by the bridge of a network with these subnets
// that lead to addresses behind a container. If a next hop has a default route, in whatever table, the
// Internet is behind it: then its routes to public addresses are parts of the same.
func behind(subnets []netip.Prefix, found []hostnet.Route) []hostnet.Route {
	uplinks := map[hop]bool{}
	for _, r := range found {
		if isDefault(r.Prefix) {
			uplinks[hop{r.Link, r.Gateway}] = true
		}
	}
	var kept []hostnet.Route
	for _, r := range found {
		a := r.Prefix.Addr()
		switch {
		case isDefault(r.Prefix) || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast():
		case uplinks[hop{r.Link, r.Gateway}] && !isPrivate(r.Prefix):
		case within(subnets, r.Prefix):
		default:
			kept = append(kept, r)
		}
	}
	return kept
}

// within reports whether one of the subnets contains the prefix.
func within(subnets []netip.Prefix, p netip.Prefix) bool {
	for _, s := range subnets {
		if s.Bits() <= p.Bits() && s.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// others returns the parts of the routes' prefixes to which one of all leads by a
// link that no bridge is, by link. Default routes do not count, except beside a
// route that is not in the main table: such a table may be meant for a few packets
// only, and the default route for the rest.
func others(routes []hostnet.Route, all []hostnet.Route, bridge func(link int) bool) map[int][]netip.Prefix {
	main := map[netip.Prefix]bool{}
	for _, r := range routes {
		main[r.Prefix] = main[r.Prefix] || r.Main()
	}
	parts := map[int]*netipx.IPSetBuilder{}
	for _, o := range all {
		if o.Link == 0 || bridge(o.Link) {
			continue
		}
		for p, inMain := range main {
			if isDefault(o.Prefix) && inMain || !o.Prefix.Overlaps(p) {
				continue
			}
			if parts[o.Link] == nil {
				parts[o.Link] = &netipx.IPSetBuilder{}
			}
			if o.Prefix.Bits() > p.Bits() {
				parts[o.Link].AddPrefix(o.Prefix)
			} else {
				parts[o.Link].AddPrefix(p)
			}
		}
	}
	return prefixes(parts)
}

// prefixes returns the fewest prefixes of each set.
func prefixes(sets map[int]*netipx.IPSetBuilder) map[int][]netip.Prefix {
	all := make(map[int][]netip.Prefix, len(sets))
	for link, b := range sets {
		// The error is of addresses of no family, and of ranges that end before they begin.
		if set, err := b.IPSet(); err == nil {
			all[link] = set.Prefixes()
		}
	}
	return all
}
