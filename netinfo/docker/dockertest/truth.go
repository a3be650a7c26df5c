package dockertest

import (
	"maps"
	"net/netip"
	"strconv"
	"strings"

	"dockwall/netinfo"
)

func (s *segment) gateway(subnet string) netip.Addr {
	return netip.MustParsePrefix(subnet).Addr().Next()
}

func bits(subnet string) int {
	if subnet == "" {
		return 0
	}
	return netip.MustParsePrefix(subnet).Bits()
}

// Truth gives what the facts must be, sorted as a snapshot's are.
func (e *Engine) Truth() ([]netinfo.Network, []netinfo.Container) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var snap netinfo.Snapshot
	for _, s := range e.nets {
		snap.Networks = append(snap.Networks, s.truth())
	}
	for _, c := range e.conts {
		snap.Containers = append(snap.Containers, e.truthOf(c))
	}
	snap.Normalize()
	return snap.Networks, snap.Containers
}

func (s *segment) truth() netinfo.Network {
	n := netinfo.Network{ID: s.id, Name: s.Name, Driver: s.Driver, Scope: "local", Internal: s.Internal}
	if s.Driver == "bridge" {
		n.Bridge = "br-" + s.id[:12]
		if name := s.Options["com.docker.network.bridge.name"]; name != "" {
			n.Bridge = name
		}
		n.Mode4, n.Mode6 = netinfo.GatewayNAT, netinfo.GatewayNAT
		if m := s.Options["com.docker.network.bridge.gateway_mode_ipv4"]; m != "" {
			n.Mode4 = netinfo.GatewayMode(m)
		}
	}
	for _, sub := range []string{s.Subnet, s.Subnet6} {
		if sub != "" {
			n.Subnets = append(n.Subnets, netip.MustParsePrefix(sub))
			n.Gateways = append(n.Gateways, s.gateway(sub))
		}
	}
	return n
}

func (e *Engine) truthOf(c *container) netinfo.Container {
	t := netinfo.Container{
		ID: c.id, Name: c.Name, Image: c.Image, Labels: maps.Clone(c.Labels), State: c.state,
		HostNetwork: c.NetworkMode == "host",
	}
	if id, ok := strings.CutPrefix(e.mode(c), "container:"); ok {
		t.SharesWith = id
	}
	for _, s := range e.nets {
		p := s.of(c)
		if p == nil {
			continue
		}
		ep := netinfo.Endpoint{ID: p.id, NetworkID: s.id, MAC: p.mac}
		for _, a := range []netip.Addr{p.v4, p.v6} {
			if a.IsValid() {
				ep.Addrs = append(ep.Addrs, a)
			}
		}
		t.Endpoints = append(t.Endpoints, ep)
	}
	ports := c.Ports
	if t.Running() {
		ports = c.given
	}
	for _, p := range ports {
		t.Ports = append(t.Ports, p.truth())
	}
	return t
}

func (p Port) truth() netinfo.PublishedPort {
	number, name, _ := strings.Cut(p.Port, "/")
	proto, err := netinfo.ParseProtocol(name)
	if err != nil {
		panic("dockertest: " + err.Error())
	}
	first, last, ok := strings.Cut(p.HostPort, "-")
	if !ok {
		last = first
	}
	t := netinfo.PublishedPort{Proto: proto, ContainerPort: port(number), HostPort: port(first), HostPortEnd: port(last)}
	if p.HostIP != "" {
		t.HostAddr = netip.MustParseAddr(strings.Trim(p.HostIP, "[]"))
	}
	return t
}

func port(s string) uint16 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		panic("dockertest: " + err.Error())
	}
	return uint16(n)
}
