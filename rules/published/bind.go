package published

import (
	"net/netip"

	"dockwall/netinfo"
)

// Attachment is a container's endpoint on a bridge network, with the network.
type Attachment struct {
	Network  netinfo.Network
	Endpoint netinfo.Endpoint
}

// Gateways returns the attachments to which Docker may send the container's
// published ports: all of its bridge networks except the internal ones.
func Gateways(s *netinfo.Snapshot, c *netinfo.Container) []Attachment {
	var all []Attachment
	for _, e := range c.Endpoints {
		if n, ok := s.Network(e.NetworkID); ok && n.Bridge != "" && !n.Internal {
			all = append(all, Attachment{n, e})
		}
	}
	return all
}

// Bind returns the host address to which Docker binds the container's port.
// Invalid: every address of both families. Unspecified: every address of that
// family. A port without an address has the one that all networks which may
// carry it set for such ports (com.docker.network.bridge.host_binding_ipv4).
func Bind(s *netinfo.Snapshot, c *netinfo.Container, p netinfo.PublishedPort) netip.Addr {
	if p.HostAddr.IsValid() {
		return p.HostAddr
	}
	var a netip.Addr
	for i, at := range Gateways(s, c) {
		if i > 0 && at.Network.BindAddr != a {
			return netip.Addr{}
		}
		a = at.Network.BindAddr
	}
	return a
}

// Reaches reports whether a packet to the host address reaches a port that is
// bound to bound.
func Reaches(bound, host netip.Addr) bool { return reach(bound, host) > 0 }

// reach is how closely the bound address matches the host address: 3 if it is
// that address, 2 if it is every address of the family, 1 if it is every
// address, 0 if it does not match.
func reach(bound, host netip.Addr) int {
	switch {
	case !bound.IsValid():
		return 1
	case bound.IsUnspecified() && bound.Is6() == host.Is6():
		return 2
	case bound == host:
		return 3
	}
	return 0
}

// exact reports whether the port is the one that Docker uses, and not a range of
// candidates.
func exact(p netinfo.PublishedPort) bool { return p.HostPortEnd <= p.HostPort }
