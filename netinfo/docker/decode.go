package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"dockwall/netinfo"
)

// decoder turns the client's answers into facts, and notes what it cannot read.
type decoder struct{ problems []problem }

func (d *decoder) note(object string, err error) {
	d.problems = append(d.problems, problem{object, err})
}

func (d *decoder) listing(c *container.Summary) (listing, bool) {
	if c.ID == "" {
		d.note("the list of containers", errors.New("a container without ID"))
		return listing{}, false
	}
	l := listing{id: c.ID, image: c.Image, labels: c.Labels, state: c.State, netMode: c.HostConfig.NetworkMode}
	// A linked container has further names, "/other/alias"; its own has one slash.
	for _, n := range c.Names {
		if n = strings.TrimPrefix(n, "/"); !strings.Contains(n, "/") {
			l.name = n
			break
		}
	}
	if l.name == "" {
		d.note("container "+short(c.ID), fmt.Errorf("no name in %q", c.Names))
	}
	if c.NetworkSettings != nil {
		l.run = runOf(endpointIDs(c.NetworkSettings.Networks))
	}
	return l, true
}

func (d *decoder) sighting(c *container.InspectResponse) (sighting, error) {
	if c.ContainerJSONBase == nil || c.ID == "" || c.State == nil {
		return sighting{}, errors.New("the engine's answer is not a container")
	}
	s := sighting{listing: listing{id: c.ID, name: strings.TrimPrefix(c.Name, "/"), state: c.State.Status}}
	object := "container " + s.name
	if c.State.Running {
		s.pid = c.State.Pid
	}
	if c.Config != nil {
		s.image, s.labels = c.Config.Image, c.Config.Labels
	}
	if c.HostConfig != nil {
		s.netMode = string(c.HostConfig.NetworkMode)
		for _, server := range c.HostConfig.DNS {
			if a := d.addr(object, server); a.IsValid() && !a.IsLoopback() {
				s.dns = append(s.dns, a)
			}
		}
		for port, bindings := range c.HostConfig.PortBindings {
			for _, b := range bindings {
				s.asked = d.port(s.asked, object, string(port), b.HostIP, b.HostPort)
			}
		}
	}
	if c.NetworkSettings != nil {
		for port, bindings := range c.NetworkSettings.Ports {
			for _, b := range bindings {
				s.given = d.port(s.given, object, string(port), b.HostIP, b.HostPort)
			}
		}
		s.endpoints = endpointIDs(c.NetworkSettings.Networks)
		s.run = runOf(s.endpoints)
	}
	return s, nil
}

// maxPorts is how many ports are read of one container: every one of every
// protocol on an address of either family. Ranges make a short answer long.
const maxPorts = 2 * 3 * 65536

func (d *decoder) port(ports []netinfo.PublishedPort, object, port, hostIP, hostPort string) []netinfo.PublishedPort {
	ps, err := parsePort(port, hostIP, hostPort)
	if err == nil && len(ports)+len(ps) > maxPorts {
		ps, err = nil, fmt.Errorf("port %q: more than %d ports", port, maxPorts)
	}
	if err != nil {
		d.note(object, err)
	}
	return append(ports, ps...)
}

func endpointIDs(m map[string]*network.EndpointSettings) []string {
	var ids []string
	for _, e := range m {
		if e != nil && e.EndpointID != "" {
			ids = append(ids, e.EndpointID)
		}
	}
	slices.Sort(ids)
	return ids
}

func runOf(endpoints []string) string { return strings.Join(endpoints, " ") }

const (
	optBridge  = "com.docker.network.bridge.name"
	optMode4   = "com.docker.network.bridge.gateway_mode_ipv4"
	optMode6   = "com.docker.network.bridge.gateway_mode_ipv6"
	optBinding = "com.docker.network.bridge.host_binding_ipv4"
)

func (d *decoder) view(n *network.Inspect) view {
	v := view{facts: netinfo.Network{ID: n.ID, Name: n.Name, Driver: n.Driver, Scope: n.Scope, Internal: n.Internal}}
	object := "network " + n.Name
	if n.Driver == "bridge" {
		v.facts.Bridge = n.Options[optBridge]
		if v.facts.Bridge == "" {
			v.facts.Bridge = "br-" + short(n.ID)
		}
		v.facts.Mode4 = d.mode(object, n.Options[optMode4])
		v.facts.Mode6 = d.mode(object, n.Options[optMode6])
		if s := n.Options[optBinding]; s != "" {
			// The default bridge says 0.0.0.0 and binds both families all the
			// same: unspecified is no address.
			if a := d.addr(object, s); a.IsValid() && !a.IsUnspecified() {
				v.facts.BindAddr = a
			}
		}
	}
	for _, c := range n.IPAM.Config {
		if p := d.subnet(object, c.Subnet); p.IsValid() {
			v.facts.Subnets = append(v.facts.Subnets, p)
		}
		if a := d.addr(object, c.Gateway); a.IsValid() {
			v.facts.Gateways = append(v.facts.Gateways, a)
		}
	}
	for key, e := range n.Containers {
		if key == ingress {
			v.facts.Ingress = d.addr("endpoint of "+e.Name+" on network "+n.Name, e.IPv4Address)
		}
		if c, ok := d.claim(n, key, e); ok {
			v.endpoints = append(v.endpoints, c)
		} else if strings.HasPrefix(key, "ep-") {
			v.joining = append(v.joining, d.addrs(n, e)...)
		}
	}
	return v
}

func (d *decoder) claim(n *network.Inspect, key string, e network.EndpointResource) (claim, bool) {
	holder := holderOf(key, e.Name)
	if holder == "" {
		return claim{}, false
	}
	ep := netinfo.Endpoint{ID: e.EndpointID, NetworkID: n.ID, MAC: e.MacAddress, Addrs: d.addrs(n, e)}
	return claim{holder, ep}, len(ep.Addrs) > 0
}

// addrs are the endpoint's addresses, sorted.
func (d *decoder) addrs(n *network.Inspect, e network.EndpointResource) (as []netip.Addr) {
	for _, s := range []string{e.IPv4Address, e.IPv6Address} {
		if a := d.addr("endpoint of "+e.Name+" on network "+n.Name, s); a.IsValid() && !slices.Contains(as, a) {
			as = append(as, a)
		}
	}
	slices.SortFunc(as, netip.Addr.Compare)
	return as
}

func (d *decoder) mode(object, s string) netinfo.GatewayMode {
	switch m := netinfo.GatewayMode(s); m {
	case netinfo.GatewayNAT, netinfo.GatewayNATUnprotected, netinfo.GatewayRouted, netinfo.GatewayIsolated:
		return m
	case "":
	default:
		d.note(object, fmt.Errorf("unknown gateway mode %q, taken for nat", s))
	}
	return netinfo.GatewayNAT
}

// addr reads an address, with or without a prefix length; empty is none.
func (d *decoder) addr(object, s string) netip.Addr {
	if s == "" {
		return netip.Addr{}
	}
	bare, _, _ := strings.Cut(s, "/")
	a, err := netip.ParseAddr(strings.Trim(bare, "[]"))
	if err != nil {
		d.note(object, fmt.Errorf("address %q: %w", s, err))
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func (d *decoder) subnet(object, s string) netip.Prefix {
	if s == "" {
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		d.note(object, fmt.Errorf("subnet %q: %w", s, err))
		return netip.Prefix{}
	}
	return p.Masked()
}

// short is the first 12 characters of an ID, as bridges and gateway endpoints
// are named.
func short(id string) string { return id[:min(12, len(id))] }
