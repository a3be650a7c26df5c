package starter

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/policy"
	"dockwall/rules/published"
)

// entry is one element of a ports list, and what there is to say about it.
type entry struct {
	ports policy.Ports
	// bound are the host addresses that it is bound to; none: every address of
	// a family.
	bound []netip.Addr
	// inside is the container's own port; 0 where there are several.
	inside uint16
	// routed: the container's own port, as networks in routed mode are asked.
	routed bool
}

// entriesOf are the ports by which outside reaches the container, or would if
// it ran.
func entriesOf(s *netinfo.Snapshot, c netinfo.Container) []entry {
	var all []entry
	routed := isRouted(s, c)
	for _, p := range c.Ports {
		p.HostAddr = published.Bind(s, &c, p)
		if p.HostPort != 0 && !p.HostAddr.IsLoopback() {
			e := entry{ports: policy.Ports{Proto: p.Proto, Lo: p.HostPort, Hi: max(p.HostPort, p.HostPortEnd)}, inside: p.ContainerPort}
			if p.HostAddr.IsValid() && !p.HostAddr.IsUnspecified() {
				e.bound = []netip.Addr{p.HostAddr}
			}
			all = append(all, e)
		}
		if routed {
			all = append(all, entry{ports: policy.Ports{Proto: p.Proto, Lo: p.ContainerPort, Hi: p.ContainerPort},
				inside: p.ContainerPort, routed: true})
		}
	}
	return all
}

func isRouted(s *netinfo.Snapshot, c netinfo.Container) bool {
	return slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool {
		n, ok := s.Network(e.NetworkID)
		return ok && (n.Mode4 == netinfo.GatewayRouted || n.Mode6 == netinfo.GatewayRouted)
	})
}

// merge makes one entry of those of the same ports, and a range of neighbours
// that differ in nothing else.
func merge(all []entry) []entry {
	slices.SortStableFunc(all, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.ports.Proto, b.ports.Proto), cmp.Compare(a.ports.Lo, b.ports.Lo), cmp.Compare(a.ports.Hi, b.ports.Hi))
	})
	var one []entry
	for _, e := range all {
		if last := len(one) - 1; last >= 0 && one[last].ports == e.ports {
			one[last] = one[last].with(e)
			continue
		}
		one = append(one, e)
	}
	var ranges []entry
	for _, e := range one {
		if last := len(ranges) - 1; last >= 0 && ranges[last].before(e) {
			ranges[last].ports.Hi = max(ranges[last].ports.Hi, e.ports.Hi)
			ranges[last].inside = 0
			continue
		}
		ranges = append(ranges, e)
	}
	return ranges
}

// with is both entries, of the same ports, in one.
func (e entry) with(o entry) entry {
	switch {
	case e.routed && !o.routed:
		e, o = o, e
	case e.routed == o.routed && (e.bound == nil || o.bound == nil):
		e.bound = nil
	case e.routed == o.routed:
		e.bound = append(slices.Clone(e.bound), o.bound...)
		slices.SortFunc(e.bound, netip.Addr.Compare)
		e.bound = slices.Compact(e.bound)
	}
	if e.inside != o.inside {
		e.inside = 0
	}
	return e
}

// before reports whether o continues e, or lies in it.
func (e entry) before(o entry) bool {
	return e.ports.Proto == o.ports.Proto && int(o.ports.Lo) <= int(e.ports.Hi)+1 && e.routed == o.routed && slices.Equal(e.bound, o.bound)
}

// holds reports whether one of the entries covers the ports.
func holds(all []entry, p policy.Ports) bool {
	return slices.ContainsFunc(all, func(e entry) bool {
		return e.ports.Proto == p.Proto && e.ports.Lo <= p.Lo && p.Hi <= e.ports.Hi
	})
}

// text is the entry as the language writes it.
func (e entry) text() string {
	if e.ports.Lo == e.ports.Hi {
		return fmt.Sprintf("%d/%s", e.ports.Lo, e.ports.Proto)
	}
	return fmt.Sprintf("%d-%d/%s", e.ports.Lo, e.ports.Hi, e.ports.Proto)
}

// firstPicked is where Linux begins to pick ports (ip_local_port_range), and
// Docker with it.
const firstPicked = 32768

// says is what there is to remark; empty if nothing.
func (e entry) says(s *netinfo.Snapshot) string {
	var words []string
	if e.routed {
		words = append(words, "the container's own port, on a routed network")
	}
	if len(e.bound) > 0 {
		var at []string
		for _, a := range e.bound {
			at = append(at, a.String())
			if nic := nicOf(s, a); nic != "" {
				at[len(at)-1] += " (" + remark(nic) + ")"
			}
		}
		words = append(words, "bound to "+strings.Join(at, ", "))
	}
	if e.inside != 0 && (e.ports.Lo != e.ports.Hi || e.inside != e.ports.Lo) {
		words = append(words, fmt.Sprintf("%d in the container", e.inside))
	}
	if e.ports.Lo >= firstPicked && !e.routed {
		words = append(words, "if Docker picked it (-P), it is another at the next start: leave ports out then")
	}
	return strings.Join(words, "; ")
}

// nicOf is the interface that has the address; empty if none.
func nicOf(s *netinfo.Snapshot, a netip.Addr) string {
	for _, l := range s.Links {
		if slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool { return p.Addr() == a }) {
			return l.Name
		}
	}
	return ""
}
