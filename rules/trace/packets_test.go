package trace

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
)

// small has one container on a bridge, published as 8080->80, and one on macvlan.
func small() netinfo.Snapshot {
	return netinfo.Snapshot{
		Links: []netinfo.Link{{Name: "eth0", Addrs: []netip.Prefix{pfx("192.0.2.1/24")}},
			{Name: "docker0", Kind: "bridge", Addrs: []netip.Prefix{pfx("172.17.0.1/16")}}},
		Networks: []netinfo.Network{{ID: "b", Name: "bridge", Bridge: "docker0", Mode4: netinfo.GatewayNAT,
			Subnets: []netip.Prefix{pfx("172.17.0.0/16")}}, {ID: "m", Name: "vlan"}},
		Containers: []netinfo.Container{
			{ID: "web", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "b", Addrs: []netip.Addr{ip("172.17.0.2")}, MAC: "02:42:ac:11:00:02"}},
				Ports: []netinfo.PublishedPort{{HostPort: 8080, HostPortEnd: 8080, Proto: netinfo.TCP, ContainerPort: 80}}},
			{ID: "mac", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "m", Addrs: []netip.Addr{ip("192.0.2.9")}}}},
		},
	}
}

func question(nic, from, to string) policy.Question {
	d := netip.MustParseAddrPort(to)
	return policy.Question{NIC: nic, Source: ip(from), Dest: d.Addr(), Port: d.Port(), Proto: netinfo.TCP}
}

func TestPackets(t *testing.T) {
	out := question("docker0", "172.17.0.2", "203.0.113.5:443")
	out.Out = "eth0"
	first := func(orig string, dnat bool) Conn {
		d := netip.MustParseAddrPort(orig)
		return Conn{State: rules.StateNew, Original: true, DNAT: dnat, OrigDst: d.Addr(), OrigDstPort: d.Port()}
	}
	outside := FieldSrcPort | FieldSrcMAC
	for _, tc := range []struct {
		name string
		q    policy.Question
		base []rules.Base
		want []Packet
	}{
		{"a published port", question("eth0", "203.0.113.7", "192.0.2.1:8080"), []rules.Base{rules.BaseInput, rules.BaseDockerUser}, []Packet{
			{In: "eth0", Dst: ip("192.0.2.1"), DstPort: 8080, Conn: first("192.0.2.1:8080", false), Unknown: outside},
			{In: "eth0", Out: "docker0", OutBridge: true, Dst: ip("172.17.0.2"), DstPort: 80, Conn: first("192.0.2.1:8080", true), Unknown: outside}}},
		{"a container's address", question("eth0", "203.0.113.7", "172.17.0.2:80"), []rules.Base{rules.BaseDockerUser}, []Packet{
			{In: "eth0", Out: "docker0", OutBridge: true, Dst: ip("172.17.0.2"), DstPort: 80, Conn: first("172.17.0.2:80", false), Unknown: outside}}},
		{"a container's way out", out, []rules.Base{rules.BaseDockerUser}, []Packet{
			{In: "docker0", Out: "eth0", Dst: ip("203.0.113.5"), DstPort: 443, SrcMAC: "02:42:ac:11:00:02",
				Conn: first("203.0.113.5:443", false), Unknown: FieldSrcPort | FieldInPort}}},
		{"elsewhere, no telling by which NIC", question("eth0", "203.0.113.7", "198.51.100.5:443"), []rules.Base{rules.BaseDockerUser}, []Packet{
			{In: "eth0", Dst: ip("198.51.100.5"), DstPort: 443, Conn: first("198.51.100.5:443", false), Unknown: outside | FieldOut}}},
		{"macvlan", question("eth0", "203.0.113.7", "192.0.2.9:80"), nil, nil},
		{"the host's own", question("", "192.0.2.1", "203.0.113.5:443"), nil, nil},
		{"the host's own, by lo", question("lo", "127.0.0.1", "203.0.113.5:443"), nil, nil},
	} {
		var got []Packet
		var base []rules.Base
		for _, w := range Packets(small(), tc.q) {
			got, base = append(got, w.Packet), append(base, w.Base)
		}
		for i := range tc.want {
			tc.want[i].Src, tc.want[i].Proto, tc.want[i].Syn = tc.q.Source, netinfo.TCP, true
		}
		if d := cmp.Diff(tc.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("%s: packets (-want +got):\n%s", tc.name, d)
		}
		if d := cmp.Diff(tc.base, base); d != "" {
			t.Errorf("%s: bases (-want +got):\n%s", tc.name, d)
		}
	}
}

// Whatever is drawn, a packet is whole: of one family, received or with a way
// out, and DNAT shows exactly where the question says so.
func TestPacketsAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		q := policytest.Question(t, s)
		for _, w := range Packets(s, q) {
			p := w.Packet
			if reason := p.check(); reason != "" {
				t.Fatalf("%+v: %s", p, reason)
			}
			if input := p.Out == ""; input != (w.Base == rules.BaseInput) {
				t.Fatalf("%+v at %s", p, w.Base)
			}
			if p.Conn.DNAT != w.Question.DNAT.IsValid() || p.Conn.DNAT == (p.Dst == p.Conn.OrigDst) {
				t.Fatalf("%+v: DNAT %v", p, w.Question.DNAT)
			}
		}
	})
}
