package picture_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/rules/picture"
	"dockwall/rules/policy"
)

// A range of ports is one port of the picture, split only where a policy treats a
// part of it differently; both families are one.
func TestRangesAreOnePort(t *testing.T) {
	s := netinfo.Snapshot{
		Engine: netinfo.Engine{Connected: true, Known: true},
		Links: []netinfo.Link{{Index: 1, Name: "eth0", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}},
			{Index: 2, Name: "docker0", Kind: "bridge", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("172.17.0.1/16")}}},
		Networks: []netinfo.Network{{ID: "b", Name: "bridge", Driver: "bridge", Bridge: "docker0", Subnets: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")},
			Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT}},
	}
	sip := netinfo.Container{ID: "1", Name: "sip", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "b", Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.2")}}}}
	add := func(bound netip.Addr, proto netinfo.Protocol, host, own uint16) {
		sip.Ports = append(sip.Ports, netinfo.PublishedPort{HostAddr: bound, HostPort: host, HostPortEnd: host, Proto: proto, ContainerPort: own})
	}
	for n := uint16(10000); n < 10400; n++ {
		add(netip.IPv4Unspecified(), netinfo.UDP, n, n)
		add(netip.IPv6Unspecified(), netinfo.UDP, n, n)
	}
	add(netip.Addr{}, netinfo.TCP, 5060, 5060)
	add(netip.Addr{}, netinfo.TCP, 5061, 5061)
	add(netip.Addr{}, netinfo.TCP, 5062, 80) // follows on the host, not in the container
	add(netip.MustParseAddr("192.0.2.1"), netinfo.TCP, 5063, 81)
	s.Containers = []netinfo.Container{sip}
	s.Normalize()
	p := policy.Policy{DenyWith: policy.DenyDrop, Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Published: []*policy.Published{{Name: "rtp", From: policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}},
			Ports: []policy.Ports{{Proto: netinfo.UDP, Lo: 10100, Hi: 10199}}}}}
	type port struct {
		Host, Own string
		State     picture.State
	}
	var got []port
	for _, p := range of(p, s).Containers[0].Ports {
		got = append(got, port{p.Host, p.Own, p.State})
	}
	want := []port{
		{"5060-5061/tcp", "5060-5061/tcp", picture.Closed}, {"5062/tcp", "80/tcp", picture.Closed},
		{"10000-10099/udp", "10000-10099/udp", picture.Closed}, {"10100-10199/udp", "10100-10199/udp", picture.Open},
		{"10200-10399/udp", "10200-10399/udp", picture.Closed}, {"192.0.2.1:5063/tcp", "81/tcp", picture.Closed},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}
