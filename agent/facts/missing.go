package facts

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"time"

	"dockwall/netinfo"
)

// missingAfter is how long the bridge of a network must be away until the engine is taken
// for one whose networks are not here: a network that is made or removed is in the list
// without its bridge for a moment.
const missingAfter = 3 * time.Second

// markMissing marks the networks whose bridge has not been among the links for
// missingAfter, and reports when to look again; 0 if no need. Podman makes the bridge of a
// network with its first container, so there only networks with one count.
func (m *memory) markMissing(s *netinfo.Snapshot, now time.Time) (ask time.Duration) {
	absent := map[string]time.Time{}
	cloned := false
	for i, n := range s.Networks {
		if n.Bridge == "" || bridgeCalled(s.Links, n.Bridge) || s.Engine.Podman && !inUse(s.Containers, n.ID) {
			continue
		}
		since, known := m.absent[n.ID]
		if !known {
			since = now
		}
		absent[n.ID] = since
		if left := since.Add(missingAfter).Sub(now); left > 0 && !m.atOnce {
			ask = max(ask, left)
			continue
		}
		if !cloned {
			s.Networks, cloned = slices.Clone(s.Networks), true
		}
		s.Networks[i].Missing = true
	}
	m.absent = absent
	return ask
}

func bridgeCalled(links []netinfo.Link, name string) bool {
	return slices.ContainsFunc(links, func(l netinfo.Link) bool { return l.Kind == "bridge" && l.Name == name })
}

// inUse reports whether a container has a place on the network now.
func inUse(cs []netinfo.Container, network string) bool {
	return slices.ContainsFunc(cs, func(c netinfo.Container) bool {
		return slices.ContainsFunc(c.Endpoints, func(e netinfo.Endpoint) bool { return e.NetworkID == network })
	})
}

// withRealBridges gives networks whose bridge is not called as Docker would call it the
// bridge that has the network's gateway address: Podman's answers in Docker's API do not
// name it.
func withRealBridges(networks []netinfo.Network, links []netinfo.Link) []netinfo.Network {
	networks = slices.Clone(networks)
	for i, n := range networks {
		if n.Bridge == "" || bridgeCalled(links, n.Bridge) {
			continue
		}
		for _, l := range links {
			if l.Kind == "bridge" && slices.ContainsFunc(l.Addrs, func(p netinfo.Prefix) bool { return slices.Contains(n.Gateways, p.Addr()) }) {
				networks[i].Bridge = l.Name
			}
		}
	}
	return networks
}

// remoteHost is the address of an engine that is reached over TCP at an address, from
// Docker's host setting; invalid for a socket or a name.
func remoteHost(host string) netip.Addr {
	u, err := url.Parse(host)
	if err != nil {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// elsewhere says why the engine's networks are not this host's, from what the host knows:
// the engine's process, and where it is reached. Empty: no sign of it. An address in one of
// the engine's networks is that of a proxy in a container, which says nothing of the engine.
func (c *Collector) elsewhere(networks []netinfo.Network) string {
	if pid := c.sockets.elsewhere; pid != 0 {
		return fmt.Sprintf("its process %d runs in another network namespace", pid)
	}
	a := c.remote
	if !a.IsValid() || a.IsLoopback() {
		return ""
	}
	local := slices.ContainsFunc(c.links, func(l netinfo.Link) bool {
		return slices.ContainsFunc(l.Addrs, func(p netinfo.Prefix) bool { return p.Addr() == a })
	})
	proxy := slices.ContainsFunc(networks, func(n netinfo.Network) bool {
		return slices.ContainsFunc(n.Subnets, func(p netinfo.Prefix) bool { return p.Contains(a) })
	})
	if local || proxy {
		return ""
	}
	return fmt.Sprintf("it is reached at %s, which is no address of this host", a)
}
