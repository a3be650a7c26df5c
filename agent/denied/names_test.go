package denied

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/compile"
)

// shop is a host with a web server that runs, and one that does not.
func shop() netinfo.Snapshot {
	return netinfo.Snapshot{
		Links: []netinfo.Link{{Index: 2, Name: "eth0"}, {Index: 3, Name: "docker0", Kind: "bridge"}},
		Containers: []netinfo.Container{
			{Name: "old", State: "exited", Ports: []netinfo.PublishedPort{{HostPort: 8000, HostPortEnd: 8999, Proto: netinfo.TCP, ContainerPort: 80}}},
			{Name: "web", State: "running",
				Endpoints: []netinfo.Endpoint{{NetworkID: "n", Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.2"), netip.MustParseAddr("fd00::2")},
					Seen: []netip.Addr{netip.MustParseAddr("172.17.0.22")}}},
				Ports: []netinfo.PublishedPort{
					{HostPort: 8080, HostPortEnd: 8080, Proto: netinfo.TCP, ContainerPort: 80},
					{HostAddr: netip.MustParseAddr("192.0.2.1"), HostPort: 53, HostPortEnd: 53, Proto: netinfo.UDP, ContainerPort: 53},
					{HostAddr: netip.IPv4Unspecified(), HostPort: 99, HostPortEnd: 99, Proto: netinfo.UDP, ContainerPort: 99},
					{Proto: netinfo.TCP, ContainerPort: 81}}},
		},
	}
}

func TestNamed(t *testing.T) {
	wan, host, host6 := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	type names struct{ NIC, Out, From, To string }
	input := func(dst netip.Addr, p netinfo.Protocol, port uint16) hostnet.Denied {
		return hostnet.Denied{Hook: hostnet.HookInput, In: 2, Src: wan, Dst: dst, Proto: p, DstPort: port}
	}
	for _, tt := range []struct {
		name string
		d    hostnet.Denied
		want names
	}{
		{"to a container", hostnet.Denied{Hook: hostnet.HookForward, In: 2, Out: 3, Src: wan, Dst: netip.MustParseAddr("172.17.0.2")}, names{"eth0", "docker0", "", "web"}},
		{"from a container", hostnet.Denied{Hook: hostnet.HookForward, In: 3, Out: 2, Src: netip.MustParseAddr("fd00::2"), Dst: host6}, names{"docker0", "eth0", "web", ""}},
		{"from its further address", hostnet.Denied{Hook: hostnet.HookForward, In: 3, Out: 9, Src: netip.MustParseAddr("172.17.0.22"), Dst: wan}, names{"docker0", "#9", "web", ""}},
		{"published", input(host, netinfo.TCP, 8080), names{"eth0", "", "", "web"}},
		{"published by one that is stopped", input(host, netinfo.TCP, 8081), names{"eth0", "", "", "old"}},
		{"published on this address", input(host, netinfo.UDP, 53), names{"eth0", "", "", "web"}},
		{"published on another address", input(wan, netinfo.UDP, 53), names{"eth0", "", "", ""}},
		{"published on all of the family", input(host, netinfo.UDP, 99), names{"eth0", "", "", "web"}},
		{"published on all of the other family", input(host6, netinfo.UDP, 99), names{"eth0", "", "", ""}},
		{"another protocol", input(host, netinfo.UDP, 8080), names{"eth0", "", "", ""}},
		{"a port that Docker will pick", input(host, netinfo.TCP, 0), names{"eth0", "", "", ""}},
		{"that port of another host", hostnet.Denied{Hook: hostnet.HookForward, In: 3, Src: wan, Dst: host, Proto: netinfo.TCP, DstPort: 8080}, names{"docker0", "", "", ""}},
	} {
		p := named(tt.d, shop())
		if d := cmp.Diff(tt.want, names{p.NIC, p.Out, p.SourceContainer, p.Container}); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestNamedProtocol(t *testing.T) {
	p := named(hostnet.Denied{Proto: netinfo.ICMPv6, Type: 128}, netinfo.Snapshot{})
	if p.Protocol != "ipv6-icmp" || p.ICMPType == nil || *p.ICMPType != 128 {
		t.Errorf("ICMP became %+v", p)
	}
	if p := named(hostnet.Denied{Proto: netinfo.TCP}, netinfo.Snapshot{}); p.Protocol != "tcp" || p.ICMPType != nil {
		t.Errorf("TCP became %+v", p)
	}
	if p := named(hostnet.Denied{}, netinfo.Snapshot{}); p.Protocol != "0" {
		t.Errorf("protocol 0 became %q", p.Protocol)
	}
}

func TestPlaces(t *testing.T) {
	long := "network." + strings.Repeat("n", 100)
	ps := newPlaces([]rules.Origin{
		{Subject: rules.ParseSubject("published.shop"), File: "agent.hcl", Line: 31},
		{Subject: rules.ParseSubject("direct")},
		{Subject: rules.ParseSubject(long), File: "agent.d/net.hcl", Line: 2},
		{Subject: rules.ParseSubject(long), File: "agent.d/net.hcl", Line: 2},
		{Subject: rules.ParseSubject(strings.Repeat("x", 60) + "1"), File: "agent.hcl", Line: 1},
		{Subject: rules.ParseSubject(strings.Repeat("x", 60) + "2"), File: "agent.hcl", Line: 2},
	})
	type place struct{ Policy, Position string }
	for prefix, want := range map[string]place{
		"dockwall:published.shop":                   {"published.shop", "agent.hcl:31"},
		"dockwall:direct":                           {"direct", ""},
		compile.LogPrefix(rules.ParseSubject(long)): {long, "agent.d/net.hcl:2"},
		compile.LogPrefix(rules.ParseSubject(strings.Repeat("x", 60) + "1")): {strings.Repeat("x", 54) + "…", ""},
		"dockwall:published.gone": {"published.gone", ""},
		"their own":               {"their own", ""},
	} {
		var p Packet
		ps.tell(&p, prefix)
		if d := cmp.Diff(want, place{p.Policy, p.Position}, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s (-want +got):\n%s", prefix, d)
		}
	}
}

// The container of a refused packet is the one that answers at the address that
// was dialled.
func TestNamedByAddress(t *testing.T) {
	wan := netip.MustParseAddr("203.0.113.9")
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	at := func(a netip.Addr) []netinfo.PublishedPort {
		return []netinfo.PublishedPort{{HostAddr: a, HostPort: 443, HostPortEnd: 443, Proto: netinfo.TCP, ContainerPort: 443}}
	}
	on := func(network string) []netinfo.Endpoint {
		return []netinfo.Endpoint{{NetworkID: network, Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.2")}}}
	}
	s := netinfo.Snapshot{
		Networks: []netinfo.Network{{ID: "b", Name: "bridge", Bridge: "docker0"}, {ID: "i", Name: "inner", Bridge: "br-inner", BindAddr: two}},
		Containers: []netinfo.Container{
			{Name: "all", State: "running", Endpoints: on("b"), Ports: at(netip.IPv4Unspecified())},
			{Name: "inner", State: "running", Endpoints: on("i"), Ports: []netinfo.PublishedPort{{HostPort: 53, HostPortEnd: 53, Proto: netinfo.TCP}}},
			{Name: "one", State: "running", Endpoints: on("b"), Ports: at(one)},
			{Name: "vrrp", State: "running", HostNetwork: true},
		},
		Listeners: []netinfo.Listener{{Addr: one, Proto: netinfo.TCP, Port: 8123, Container: true}},
	}
	for _, tt := range []struct {
		dst  netip.Addr
		port uint16
		want string
	}{{one, 443, "one"}, {two, 443, "all"}, {two, 53, "inner"}, {one, 53, ""}, {one, 8123, "vrrp"}, {two, 8123, ""}} {
		d := hostnet.Denied{Hook: hostnet.HookInput, Src: wan, Dst: tt.dst, Proto: netinfo.TCP, DstPort: tt.port}
		if got := named(d, s).Container; got != tt.want {
			t.Errorf("%s port %d: container %q, want %q", tt.dst, tt.port, got, tt.want)
		}
	}
}
