package published

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
)

// Answer is what is known of one host address and port.
type Answer struct {
	// Now are the closest claims of containers that have the port.
	Now []Claim
	// Later are the closest claims of containers that may get the port: they do
	// not run, or Docker has not chosen one of their candidates yet.
	Later []Claim
	// Proxied: a docker-proxy serves the address and port, whichever container is
	// behind it.
	Proxied bool
	// HostNetwork are the containers on the host's network that listen at the address
	// and port; if it is not known of which a process listens there, all of them.
	HostNetwork []*netinfo.Container
}

// Served reports whether a published port is bound at the address now.
func (a Answer) Served() bool { return len(a.Now) > 0 || a.Proxied }

// Containers returns the containers that answer, each once: those that have the
// port, otherwise those on the host's network, otherwise those that may get it.
func (a Answer) Containers() []*netinfo.Container {
	claims := a.Now
	switch {
	case len(claims) > 0:
	case len(a.HostNetwork) > 0:
		return a.HostNetwork
	default:
		claims = a.Later
	}
	var all []*netinfo.Container
	seen := map[*netinfo.Container]bool{}
	for _, c := range claims {
		if !seen[c.Container] {
			seen[c.Container] = true
			all = append(all, c.Container)
		}
	}
	return all
}

// At returns the containers behind the host's address and port. For many
// questions about one snapshot, build an Index.
func At(s *netinfo.Snapshot, proto netinfo.Protocol, host netip.AddrPort) Answer {
	var claims []Claim
	for i := range s.Containers {
		claims = append(claims, claimsOf(s, &s.Containers[i], func(p netinfo.PublishedPort) bool {
			return covers(p, proto, host.Port())
		})...)
	}
	return answer(s, claims, s.Proxies, proto, host)
}

// answer picks the closest of the claims, all of which cover the port.
func answer(s *netinfo.Snapshot, claims []Claim, proxies []netinfo.PublishedPort, proto netinfo.Protocol, host netip.AddrPort) Answer {
	var a Answer
	nearest := [2]int{}
	found := [2]*[]Claim{&a.Now, &a.Later}
	for _, c := range claims {
		which := 1
		if c.now() {
			which = 0
		}
		near := c.nearness(host.Addr())
		if near == 0 || near < nearest[which] || which == 1 && hostHas(s.Listeners, c, host) {
			continue
		}
		if near > nearest[which] {
			nearest[which], *found[which] = near, nil
		}
		*found[which] = append(*found[which], c)
	}
	for _, p := range proxies {
		a.Proxied = a.Proxied || exact(p) && covers(p, proto, host.Port()) && Reaches(p.HostAddr, host.Addr())
	}
	a.HostNetwork = hostNetwork(s, proto, host)
	return a
}

// Listens reports whether a process of the container, which is on the host's network,
// listens at the host's address and port.
func Listens(c *netinfo.Container, proto netinfo.Protocol, host netip.AddrPort) bool {
	return c.HostNetwork && c.SharesWith == "" && slices.ContainsFunc(c.Ports, func(p netinfo.PublishedPort) bool {
		return covers(p, proto, host.Port()) && Reaches(p.HostAddr, host.Addr())
	})
}

// hostNetwork returns the containers on the host's network that listen at the address
// and port, or all that run if one of them does and it is not known which.
func hostNetwork(s *netinfo.Snapshot, proto netinfo.Protocol, host netip.AddrPort) []*netinfo.Container {
	var known []*netinfo.Container
	for i := range s.Containers {
		if c := &s.Containers[i]; Listens(c, proto, host) {
			known = append(known, c)
		}
	}
	if len(known) > 0 {
		return known
	}
	listens := false
	for _, l := range s.Listeners {
		listens = listens || l.Container && l.Proto == proto && l.Port == host.Port() && (l.Addr == host.Addr() || everywhere(l, host.Addr()))
	}
	if !listens {
		return nil
	}
	var all []*netinfo.Container
	for i := range s.Containers {
		if c := &s.Containers[i]; c.HostNetwork && c.SharesWith == "" && c.Running() {
			all = append(all, c)
		}
	}
	return all
}
