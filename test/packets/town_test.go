package packets

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/backend/iptables"
)

// town is the host and everybody around it.
type town struct {
	variant iptables.Variant
	host    *space
	people  []person
	facts   netinfo.Snapshot
}

// person is a client: an outside address, or a container's.
type person struct {
	space *space
	nic   string // by which the host hears it
	addr  netip.Addr
}

// wire is a network of the host: a bridge, or a NIC.
type wire struct {
	id, name, dev string
	v4, v6        string // what all its addresses begin with
	mode          netinfo.GatewayMode
}

func bridges() []wire {
	return []wire{
		{"aaaaaaaaaaaa0000", "bridge", "docker0", "172.17.0.", "", netinfo.GatewayNAT},
		{"bbbbbbbbbbbb0000", "front", "br-bbbbbbbbbbbb", "172.18.0.", "fd18::", netinfo.GatewayNAT},
		{"cccccccccccc0000", "back", "br-cccccccccccc", "172.19.0.", "", netinfo.GatewayNAT},
		{"dddddddddddd0000", "pub", "pub0", "172.20.0.", "fd20::", netinfo.GatewayRouted},
	}
}

func nics() []wire {
	return []wire{{name: "wan", dev: "eth0", v4: "192.0.2.", v6: "2001:db8:a::"}, {name: "lan", dev: "eth1", v4: "10.0.0.", v6: "fd00:a::"}}
}

// addrs are the addresses with this last byte.
func (w wire) addrs(n int) []netip.Addr {
	all := []netip.Addr{netip.MustParseAddr(fmt.Sprint(w.v4, n))}
	if w.v6 != "" {
		all = append(all, netip.MustParseAddr(fmt.Sprint(w.v6, n)))
	}
	return all
}

// Ports that everybody of a kind answers on, whether published or not.
func hostPorts() []uint16      { return []uint16{22, 53, 80, 2375, 4243, 8080, 8081, 8082, 9100} }
func containerPorts() []uint16 { return []uint16{53, 80, 443, 5432} }
func outsidePorts() []uint16   { return []uint16{53, 443, 5432} }

// build makes the town: namespaces, wires, Docker's nat rules, servers, facts.
func build(t *testing.T, v iptables.Variant) *town {
	t.Helper()
	needRoot(t)
	w := &town{variant: v, host: newSpace(t, "host")}
	w.host.ip(t, "link set lo up")
	var mine []netip.Addr
	for _, b := range bridges() {
		w.host.ip(t, "link add "+b.dev+" type bridge", "link set "+b.dev+" up")
		mine = append(mine, w.address(t, w.host, b.dev, b.addrs(1))...)
	}
	for _, n := range nics() {
		s := newSpace(t, n.name)
		w.host.ip(t, fmt.Sprintf("link add %s type veth peer name eth0 netns %s", n.dev, s.path()))
		mine = append(mine, w.address(t, w.host, n.dev, n.addrs(1))...)
		w.join(t, s, n, n.addrs(77), n.dev)
	}
	w.foreigners(t)
	w.move(t)
	for _, name := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding", "bridge/bridge-nf-call-iptables", "bridge/bridge-nf-call-ip6tables"} {
		w.host.set(t, name, "1")
	}
	for _, name := range []string{"ipv4/icmp_ratelimit", "ipv6/icmp/ratelimit", "ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter"} {
		// Every refusal is to be seen.
		w.host.set(t, name, "0")
	}
	w.host.serve(t, mine, hostPorts())
	w.translate(t)
	w.look(t)
	return w
}

// address gives a device addresses, usable at once.
func (w *town) address(t testing.TB, s *space, dev string, addrs []netip.Addr) []netip.Addr {
	t.Helper()
	lines := []string{"link set " + dev + " up"}
	for _, a := range addrs {
		if a.Is6() {
			lines = append(lines, fmt.Sprintf("addr add %s/64 dev %s%s", a, dev, nodad(a)))
		} else {
			lines = append(lines, fmt.Sprintf("addr add %s/24 dev %s", a, dev))
		}
	}
	s.ip(t, lines...)
	return addrs
}

// join gives a namespace its addresses on a wire whose other end is there, a
// way through the host, and servers.
func (w *town) join(t testing.TB, s *space, on wire, addrs []netip.Addr, nic string) {
	t.Helper()
	w.address(t, s, "eth0", addrs)
	s.ip(t, "link set lo up")
	for _, gw := range on.addrs(1) {
		s.ip(t, fmt.Sprintf("route replace default via %s dev eth0", gw))
	}
	ports := containerPorts()
	if nic == on.dev && on.id == "" {
		ports = outsidePorts()
	}
	s.serve(t, addrs, ports)
	for _, a := range addrs {
		w.people = append(w.people, person{s, nic, a})
	}
}

// foreigners are more addresses of the wan's, from farther away.
func (w *town) foreigners(t testing.TB) {
	t.Helper()
	wan := w.space("wan")
	for _, a := range []string{"203.0.113.7", "203.0.113.8", "198.51.100.7", "2001:db8:f::7", "2001:db8:f::8", "2001:db8:e::7"} {
		addr, via := netip.MustParseAddr(a), nics()[0].addrs(77)
		hop, bits := via[0], 32
		if addr.Is6() {
			hop, bits = via[1], 128
		}
		wan.ip(t, fmt.Sprintf("addr add %s/%d dev lo%s", addr, bits, nodad(addr)))
		w.host.ip(t, fmt.Sprintf("route add %s/%d via %s", addr, bits, hop))
		wan.serve(t, []netip.Addr{addr}, outsidePorts())
		w.people = append(w.people, person{wan, "eth0", addr})
	}
}

func (w *town) space(name string) *space {
	i := slices.IndexFunc(w.people, func(p person) bool { return p.space.name == name })
	return w.people[i].space
}

// plug connects a namespace to a bridge, under the number that its addresses
// end with.
func (w *town) plug(t testing.TB, s *space, on wire, n int) {
	t.Helper()
	port := fmt.Sprintf("veth%s%d", on.id[:1], n)
	w.host.ip(t, fmt.Sprintf("link add %s type veth peer name eth0 netns %s", port, s.path()),
		"link set "+port+" master "+on.dev, "link set "+port+" up")
	w.join(t, s, on, on.addrs(n), on.dev)
}

// translate writes what Docker would: the nat rules of its published ports.
func (w *town) translate(t testing.TB) {
	t.Helper()
	for _, v6 := range []bool{false, true} {
		lines := []string{"*nat", ":DOCKER - [0:0]", "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"}
		for _, m := range mappings() {
			if m.to.Addr().Is6() == v6 {
				lines = append(lines, m.rule())
			}
		}
		tool := string(w.variant) + "-restore"
		if v6 {
			tool = strings.Replace(tool, "iptables", "ip6tables", 1)
		}
		w.host.must(t, strings.Join(lines, "\n")+"\nCOMMIT\n", tool, "--noflush")
	}
}

// look makes the facts: what a real agent would see of this host.
func (w *town) look(t testing.TB) {
	t.Helper()
	s := &w.facts
	s.Engine = netinfo.Engine{Connected: true, Known: true, Version: "28.5.2"}
	err := w.host.in(func() error {
		links, err := hostnet.Links()
		s.Links = links
		return err
	})
	if err != nil {
		t.Fatalf("reading the links: %v", err)
	}
	for _, b := range bridges() {
		n := netinfo.Network{ID: b.id, Name: b.name, Driver: "bridge", Scope: "local", Bridge: b.dev, Mode4: b.mode, Mode6: b.mode, Gateways: b.addrs(1)}
		for _, a := range b.addrs(0) {
			bits := 24
			if a.Is6() {
				bits = 64
			}
			n.Subnets = append(n.Subnets, netip.PrefixFrom(a, bits).Masked())
		}
		s.Networks = append(s.Networks, n)
	}
	s.Networks = append(s.Networks, netinfo.Network{ID: "host", Name: "host", Driver: "host"})
	s.Containers = residents()
	s.Listeners = []netinfo.Listener{{Addr: netip.IPv4Unspecified(), Proto: netinfo.TCP, Port: 4243, Dockerd: true}}
	s.Normalize()
}

// nodad has ip give a device an IPv6 address that can be used at once.
func nodad(a netip.Addr) string {
	if a.Is6() {
		return " nodad"
	}
	return ""
}
