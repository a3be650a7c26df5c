package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"dockwall/netinfo"
	. "dockwall/rules/policy"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }

// lab is a host with two NICs, a VPN, a foreign bridge, and containers:
//
//	web   front .2 and back .2    8080->80 everywhere, 8443->443 on 192.0.2.1
//	alt   front .3                8443->8443 on 10.0.0.1, 9090->80 everywhere
//	db    back  .3                nothing
//	old   exited                  7070->70
//	node  host network
//	side  --network container:web
//	ext   routed .2               publishes its 80
//	mac   macvlan 192.0.2.200
func lab() netinfo.Snapshot {
	link := func(i int, name, kind string, addrs ...string) netinfo.Link {
		l := netinfo.Link{Index: i, Name: name, Kind: kind, Up: true}
		for _, a := range addrs {
			l.Addrs = append(l.Addrs, pfx(a))
		}
		return l
	}
	network := func(id, name, bridge string, mode netinfo.GatewayMode, subnets ...string) netinfo.Network {
		n := netinfo.Network{ID: id, Name: name, Driver: "bridge", Bridge: bridge, Mode4: mode, Mode6: mode}
		for _, s := range subnets {
			n.Subnets = append(n.Subnets, pfx(s))
		}
		return n
	}
	s := netinfo.Snapshot{
		Links: []netinfo.Link{
			link(1, "lo", "", "127.0.0.1/8", "::1/128"),
			link(2, "eth0", "", "192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"),
			link(3, "eth1", "", "10.0.0.1/8"),
			link(4, "wg0", "wireguard", "10.99.0.1/24"),
			link(5, "br-lan", "bridge", "10.88.0.1/24"),
			link(6, "br-front", "bridge", "172.18.0.1/16", "fd18::1/64"),
			link(7, "br-back", "bridge", "172.19.0.1/16"),
			link(8, "br-routed", "bridge", "172.20.0.1/16"),
			{Index: 9, Name: "br-new", Kind: "bridge", Unplaced: true, Addrs: []netip.Prefix{pfx("172.30.0.1/16")}},
		},
		Networks: []netinfo.Network{
			network("f", "front", "br-front", netinfo.GatewayNAT, "172.18.0.0/16", "fd18::/64"),
			network("b", "back", "br-back", netinfo.GatewayNAT, "172.19.0.0/16"),
			network("r", "routed", "br-routed", netinfo.GatewayRouted, "172.20.0.0/16"),
			{ID: "m", Name: "vlan", Driver: "macvlan", Subnets: []netip.Prefix{pfx("192.0.2.0/24")}},
		},
		Containers: labContainers(),
		Listeners: []netinfo.Listener{{Addr: ip("0.0.0.0"), Proto: netinfo.TCP, Port: 4243, Dockerd: true},
			{Addr: ip("0.0.0.0"), Proto: netinfo.TCP, Port: 7071}},
	}
	s.Normalize()
	return s
}

func labContainers() []netinfo.Container {
	at := func(network string, addrs ...string) netinfo.Endpoint {
		e := netinfo.Endpoint{NetworkID: network}
		for _, a := range addrs {
			e.Addrs = append(e.Addrs, ip(a))
		}
		return e
	}
	port := func(host string, lo, hi, container uint16) netinfo.PublishedPort {
		p := netinfo.PublishedPort{HostPort: lo, HostPortEnd: hi, Proto: netinfo.TCP, ContainerPort: container}
		if host != "" {
			p.HostAddr = ip(host)
		}
		return p
	}
	return []netinfo.Container{
		{ID: "web", Name: "web", State: "running", Endpoints: []netinfo.Endpoint{at("f", "172.18.0.2", "fd18::2"), at("b", "172.19.0.2")},
			Ports: []netinfo.PublishedPort{port("", 8080, 8080, 80), port("192.0.2.1", 8443, 8443, 443)}},
		{ID: "alt", Name: "alt", State: "running", Endpoints: []netinfo.Endpoint{at("f", "172.18.0.3")},
			Ports: []netinfo.PublishedPort{port("10.0.0.1", 8443, 8443, 8443), port("", 9090, 9090, 80)}},
		{ID: "db", Name: "db", State: "running", Endpoints: []netinfo.Endpoint{at("b", "172.19.0.3")}},
		{ID: "old", Name: "old", State: "exited", Ports: []netinfo.PublishedPort{port("", 7070, 7071, 70)}},
		{ID: "node", Name: "node", State: "running", HostNetwork: true},
		{ID: "side", Name: "side", State: "running", SharesWith: "web"},
		{ID: "ext", Name: "ext", State: "running", Endpoints: []netinfo.Endpoint{at("r", "172.20.0.2")},
			Ports: []netinfo.PublishedPort{port("", 0, 0, 80)}},
		{ID: "mac", Name: "mac", State: "running", Endpoints: []netinfo.Endpoint{at("m", "192.0.2.200")}},
	}
}

func named(names ...string) []*Selector { return []*Selector{{Name: "s", Names: names}} }

func list(prefixes ...string) AddressList {
	var l AddressList
	for _, s := range prefixes {
		if s == "any" {
			l.Literals = append(l.Literals, pfx("0.0.0.0/0"), pfx("::/0"))
			continue
		}
		l.Literals = append(l.Literals, pfx(s))
	}
	return l
}

func tcp(lo, hi uint16) Ports { return Ports{Proto: netinfo.TCP, Lo: lo, Hi: hi} }

func nics(names ...string) []*Interfaces { return []*Interfaces{{Name: "n", Names: names}} }

// usual are the defaults of the contract.
func usual() Policy {
	return Policy{DenyWith: DenyDrop, Defaults: Defaults{Published: Deny, Between: Allow, Egress: Allow, Host: Allow}}
}

// ask writes "eth0 198.51.100.7 > 192.0.2.1:8080 dnat 172.18.0.2:80 out eth1"
// as a Question; the protocol is TCP unless "/udp" follows the port.
func ask(t *testing.T, text string) Question {
	t.Helper()
	f := strings.Fields(text)
	if len(f) < 4 || f[2] != ">" {
		t.Fatalf("no question: %q", text)
	}
	q := Question{NIC: f[0], Source: ip(f[1]), Proto: netinfo.TCP}
	if q.NIC == "host" {
		q.NIC = ""
	}
	dest, proto, ok := strings.Cut(f[3], "/")
	if ok {
		var err error
		if q.Proto, err = netinfo.ParseProtocol(proto); err != nil {
			t.Fatal(err)
		}
	}
	d := netip.MustParseAddrPort(dest)
	q.Dest, q.Port = d.Addr(), d.Port()
	for i := 4; i+1 < len(f); i += 2 {
		switch f[i] {
		case "dnat":
			q.DNAT = netip.MustParseAddrPort(f[i+1])
		case "out":
			q.Out = f[i+1]
		case "by":
			q.Container = f[i+1]
		default:
			t.Fatalf("no question: %q", text)
		}
	}
	return q
}

type evalCase struct {
	why, question string
	allow         bool
	policy        string
}

func run(t *testing.T, p Policy, cases []evalCase) {
	t.Helper()
	runOn(t, lab(), p, cases)
}

func runOn(t *testing.T, s netinfo.Snapshot, p Policy, cases []evalCase) {
	t.Helper()
	for _, tc := range cases {
		got := Eval(p, s, ask(t, tc.question))
		if got.Allow != tc.allow || got.Origin.Subject.String() != tc.policy {
			t.Errorf("%s: %s: allow %v by %s, want %v by %s", tc.why, tc.question, got.Allow, got.Origin.Subject, tc.allow, tc.policy)
		}
	}
}
