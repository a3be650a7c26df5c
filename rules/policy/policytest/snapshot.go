package policytest

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"dockwall/netinfo"
)

// Snapshot draws a host: its links, and the Docker networks and containers of
// the universe that are there now.
func Snapshot(t *rapid.T) netinfo.Snapshot {
	s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Known: true, Version: "28.5.2"}}
	s.Links = nics(t)
	for i, n := range universe() {
		if often(t, "network") {
			addNetwork(t, &s, i, n)
		}
	}
	s.Networks = append(s.Networks,
		netinfo.Network{ID: "host", Name: "host", Driver: "host"},
		netinfo.Network{ID: "vlan", Name: "vlan", Driver: "macvlan", Subnets: prefixes("198.18.0.0/24")})
	s.Containers = containers(t, &s)
	s.Listeners = listeners(t)
	s.Proofs = proofs(t)
	addRoutes(t, &s)
	addNameServers(t, &s)
	s.Normalize()
	return s
}

// nic is an interface of the host's own, and the addresses that it may have.
type nic struct {
	name, kind string
	addrs      []string
}

func outsideNICs() []nic {
	return []nic{
		{"eth0", "", []string{"192.0.2.1/24", "2001:db8:a::1/64", "fe80::a/64"}},
		{"eth1", "", []string{"10.0.0.1/24", "10.0.0.2/24", "fd00:a::1/64"}},
		{"br-lan", "bridge", []string{"10.1.0.1/24"}},
		{"virbr0", "bridge", []string{"10.2.0.1/24"}},
		{"wg0", "wireguard", []string{"10.3.0.1/24"}},
	}
}

func nics(t *rapid.T) []netinfo.Link {
	links := []netinfo.Link{{Index: 1, Name: "lo", Up: true, Addrs: prefixes("127.0.0.1/8", "::1/128")}}
	for i, n := range outsideNICs() {
		l := netinfo.Link{Index: i + 2, Name: n.name, Kind: n.kind, Up: true}
		for j, a := range n.addrs {
			// eth0 always has its first, so that there is a host address.
			if i+j == 0 || often(t, "address") {
				l.Addrs = append(l.Addrs, netip.MustParsePrefix(a))
			}
		}
		if i == 0 || often(t, "link") {
			links = append(links, l)
		}
	}
	return links
}

// addRoutes draws routes behind containers, and others to the same addresses. The
// largest covers the subnets of other networks.
func addRoutes(t *rapid.T, s *netinfo.Snapshot) {
	for _, l := range s.Links {
		docker := slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Bridge == l.Name })
		switch {
		case l.Name == "lo" || l.Master != 0 || l.Unplaced || often(t, "no route"):
		case docker:
			p := pick(t, "prefix behind a container", prefixes("10.8.0.0/24", "10.8.0.0/16", "172.16.0.0/12", "fd08::/64"))
			s.Routes = append(s.Routes, netinfo.Route{Prefix: p, Link: l.Name, Gateway: gateway(t, s, l.Name, p.Addr().Is6())})
		default:
			p := pick(t, "prefix by another link", prefixes("10.8.0.0/24", "10.8.0.0/25", "172.16.0.0/12", "fd08::/64"))
			s.OtherRoutes = append(s.OtherRoutes, netinfo.Route{Prefix: p, Link: l.Name})
		}
	}
}

// addNameServers draws those of all containers, and those of some: other hosts, the host
// itself, containers.
func addNameServers(t *rapid.T, s *netinfo.Snapshot) {
	servers := func() []netip.Addr {
		return some(t, "name servers", addrs("203.0.113.8", "2001:db8:f::8", "192.0.2.1", "172.18.0.1", "172.17.0.2", "172.18.0.3", "fd18::3"))
	}
	s.NameServers = servers()
	for i := range s.Containers {
		if seldom(t, "own name servers") {
			s.Containers[i].NameServers = servers()
		}
	}
}

// gateway draws a container on the bridge by whose address a route leads, or none.
func gateway(t *rapid.T, s *netinfo.Snapshot, bridge string, v6 bool) netip.Addr {
	var all []netip.Addr
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			if n, ok := s.Network(e.NetworkID); ok && n.Bridge == bridge {
				for _, a := range e.Addrs {
					if a.Is6() == v6 {
						all = append(all, a)
					}
				}
			}
		}
	}
	if len(all) == 0 || seldom(t, "no gateway") {
		return netip.Addr{}
	}
	return pick(t, "gateway", all)
}

// wire is a Docker network of the universe. Addresses are its subnet's with
// the last byte exchanged.
type wire struct {
	id, name, bridge, v4, v6 string
}

func universe() []wire {
	return []wire{
		{"aaaaaaaaaaaa0000", "bridge", "docker0", "172.17.0.", ""},
		{"bbbbbbbbbbbb0000", "front", "br-bbbbbbbbbbbb", "172.18.0.", "fd18::"},
		{"cccccccccccc0000", "back", "br-cccccccccccc", "172.19.0.", ""},
		{"dddddddddddd0000", "pub", "pub0", "172.20.0.", "fd20::"},
		{"eeeeeeeeeeee0000", "docker_gwbridge", "docker_gwbridge", "172.21.0.", ""},
	}
}

// newcomer is a bridge that came while the engine could not be asked.
func newcomer() wire { return wire{bridge: "br-ffffffffffff", v4: "172.22.0."} }

// has reports whether the network has addresses of the family.
func (w wire) has(v6 bool) bool { return !v6 || w.v6 != "" }

func (w wire) addr(n int, v6 bool) netip.Addr {
	if v6 {
		return netip.MustParseAddr(fmt.Sprintf("%s%x", w.v6, n))
	}
	return netip.MustParseAddr(fmt.Sprintf("%s%d", w.v4, n))
}

func (w wire) link(index int) netinfo.Link {
	l := netinfo.Link{Index: index, Name: w.bridge, Kind: "bridge", Up: true,
		Addrs: []netip.Prefix{netip.PrefixFrom(w.addr(1, false), 24)}}
	if w.v6 != "" {
		l.Addrs = append(l.Addrs, netip.PrefixFrom(w.addr(1, true), 64))
	}
	return l
}

func addNetwork(t *rapid.T, s *netinfo.Snapshot, i int, w wire) {
	n := netinfo.Network{ID: w.id, Name: w.name, Driver: "bridge", Scope: "local", Bridge: w.bridge,
		Mode4: mode(t, w), Mode6: mode(t, w), Internal: w.name == "back" && rapid.Bool().Draw(t, "internal")}
	l := w.link(20 + i)
	for _, a := range l.Addrs {
		n.Subnets = append(n.Subnets, a.Masked())
		n.Gateways = append(n.Gateways, a.Addr())
	}
	if w.name == "front" && seldom(t, "bind address") && seldom(t, "really") {
		n.BindAddr = netip.MustParseAddr("10.0.0.1")
	}
	s.Links = append(s.Links, l)
	if seldom(t, "port") {
		p := netinfo.Link{Index: 50 + i, Name: fmt.Sprintf("veth0a1b2c%d", i), Kind: "veth", Master: l.Index, Up: true}
		if w.name == "pub" {
			p.Name = "eth8" // others are behind this bridge as well
		}
		s.Links = append(s.Links, p)
	}
	s.Networks = append(s.Networks, n)
	if w.name == "bridge" && seldom(t, "newcomer") {
		l := newcomer().link(40)
		l.Unplaced = true
		if seldom(t, "wire") {
			l.Addrs = nil
		}
		s.Links = append(s.Links, l)
		if rapid.Bool().Draw(t, "uplink") {
			s.Links = append(s.Links, netinfo.Link{Index: 41, Name: "eth7", Master: l.Index, Up: true})
		}
	}
}

// mode: pub is where gateway modes are tried out; the others are NAT.
func mode(t *rapid.T, w wire) netinfo.GatewayMode {
	if w.name != "pub" {
		return netinfo.GatewayNAT
	}
	return rapid.SampledFrom([]netinfo.GatewayMode{netinfo.GatewayRouted, netinfo.GatewayRouted, netinfo.GatewayNAT,
		netinfo.GatewayNATUnprotected}).Draw(t, "mode")
}

func listeners(t *rapid.T) []netinfo.Listener {
	var ls []netinfo.Listener
	if rapid.Bool().Draw(t, "dockerd listens") {
		ls = append(ls, netinfo.Listener{Addr: netip.IPv4Unspecified(), Proto: netinfo.TCP, Port: 4243, Dockerd: true})
	}
	if rapid.Bool().Draw(t, "service listens") {
		ls = append(ls, netinfo.Listener{Addr: rapid.SampledFrom([]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified(),
			netip.MustParseAddr("192.0.2.1")}).Draw(t, "on"), Proto: netinfo.TCP, Port: pick(t, "port", hostPorts()),
			Container: seldom(t, "in a container")})
	}
	return ls
}

// proofs of dockerd's port and the two well-known ones, where it may also listen
// twice; some are of ports on which nothing listens any more.
func proofs(t *rapid.T) []netinfo.Proof {
	var ps []netinfo.Proof
	for _, port := range []uint16{2375, 2376, 4243} {
		for _, addr := range []netip.Addr{netip.IPv6Unspecified(), netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("127.0.0.1")} {
			if rapid.Bool().Draw(t, "asked") {
				ps = append(ps, netinfo.Proof{Addr: addr, Port: port, State: pick(t, "proof", []netinfo.ProofState{
					netinfo.ProofProtected, netinfo.ProofProtected, netinfo.ProofPlain, netinfo.ProofOpen, netinfo.ProofNone})})
			}
		}
	}
	return ps
}

func prefixes(list ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, p := range list {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return ps
}

func pick[T any](t *rapid.T, label string, from []T) T { return rapid.SampledFrom(from).Draw(t, label) }

// often and seldom are three in four and one in four, by coins: rapid's ranges
// lean towards small numbers.
func often(t *rapid.T, label string) bool { return !seldom(t, label) }
func seldom(t *rapid.T, label string) bool {
	coin := rapid.Bool()
	first, second := coin.Draw(t, label), coin.Draw(t, label)
	return first && second
}
