package published

import (
	"net/netip"

	"dockwall/netinfo"
)

// Index answers many questions about one snapshot.
type Index struct {
	s *netinfo.Snapshot
	// exact are the claims on one port, ranges those on a range of candidates.
	exact   map[hostPort][]Claim
	ranges  []Claim
	proxies map[hostPort][]netinfo.PublishedPort
}

type hostPort struct {
	proto netinfo.Protocol
	port  uint16
}

// New returns the snapshot's index. The snapshot must not change afterwards.
func New(s *netinfo.Snapshot) *Index {
	x := &Index{s: s, exact: map[hostPort][]Claim{}, proxies: map[hostPort][]netinfo.PublishedPort{}}
	for i := range s.Containers {
		for _, c := range claimsOf(s, &s.Containers[i], func(netinfo.PublishedPort) bool { return true }) {
			if exact(c.Port) {
				k := hostPort{c.Port.Proto, c.Port.HostPort}
				x.exact[k] = append(x.exact[k], c)
				continue
			}
			x.ranges = append(x.ranges, c)
		}
	}
	for _, p := range s.Proxies {
		k := hostPort{p.Proto, p.HostPort}
		x.proxies[k] = append(x.proxies[k], p)
	}
	return x
}

// At is the function At.
func (x *Index) At(proto netinfo.Protocol, host netip.AddrPort) Answer {
	k := hostPort{proto, host.Port()}
	claims := x.exact[k]
	for _, c := range x.ranges {
		if c.covers(proto, host.Port()) {
			claims = append(claims[:len(claims):len(claims)], c)
		}
	}
	return answer(x.s, claims, x.proxies[k], proto, host)
}

// Addrs returns the addresses of the host at which the port is published now, in
// the order of the links; loopback addresses are left out.
func (x *Index) Addrs(proto netinfo.Protocol, port uint16) []netip.Addr {
	var all []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, l := range x.s.Links {
		for _, p := range l.Addrs {
			a := p.Addr()
			if seen[a] || a.IsLoopback() {
				continue
			}
			seen[a] = true
			if got := x.At(proto, netip.AddrPortFrom(a, port)); got.Served() || len(got.HostNetwork) > 0 {
				all = append(all, a)
			}
		}
	}
	return all
}
