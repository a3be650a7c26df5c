package compile_test

import (
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// A bridge that no engine lists may show frames with a container's source: one
// without an address of the host's is between other hosts, which use whatever
// addresses they like, and others share the subnet of a bridge that a NIC is a port
// of. What a block allows the container, the bridge's hosts do not get.
func TestContainersAddressOnUnplacedBridge(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	s := netinfo.Snapshot{
		Networks: []netinfo.Network{
			{ID: "n", Name: "front", Driver: "bridge", Bridge: "br-bbbbbbbbbbbb", Subnets: []netip.Prefix{prefix("172.18.0.0/24")}},
			{ID: "p", Name: "pub", Driver: "bridge", Bridge: "pub0", Subnets: []netip.Prefix{prefix("172.20.0.0/24")}},
		},
		Containers: []netinfo.Container{{ID: "1", Name: "web", State: "running", Endpoints: []netinfo.Endpoint{
			{NetworkID: "n", Addrs: []netip.Addr{addr("172.18.0.2")}, Seen: []netip.Addr{addr("10.8.0.5")}},
			{NetworkID: "p", Addrs: []netip.Addr{addr("172.20.0.2")}}}}},
		Strangers: []netip.Addr{addr("10.77.0.9")},
		Links: []netinfo.Link{
			{Index: 2, Name: "eth0", Addrs: []netip.Prefix{prefix("192.0.2.1/24")}},
			{Index: 3, Name: "br-bbbbbbbbbbbb", Kind: "bridge", Addrs: []netip.Prefix{prefix("172.18.0.1/24")}},
			{Index: 4, Name: "pub0", Kind: "bridge", Addrs: []netip.Prefix{prefix("172.20.0.1/24")}},
			{Index: 5, Name: "eth8", Master: 4},
			{Index: 6, Name: "br-0123456789ab", Kind: "bridge", Unplaced: true},
			{Index: 7, Name: "br-ffffffffffff", Kind: "bridge", Unplaced: true, Addrs: []netip.Prefix{prefix("10.77.0.1/24")}},
		},
	}
	web := []*policy.Selector{{Name: "web", Names: []string{"web"}}}
	p := policy.Policy{Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Host: []*policy.Host{{Name: "dns", From: web, Ports: []policy.Ports{{Proto: netinfo.UDP, Lo: 53, Hi: 53}}, Origin: rules.Origin{Subject: rules.Subject{Kind: "host", Name: "dns"}}}},
		Egress: []*policy.Egress{{Name: "out", From: web, To: policy.AddressList{Literals: []netip.Prefix{prefix("0.0.0.0/0")}},
			Origin: rules.Origin{Subject: rules.Subject{Kind: "egress", Name: "out"}}}}}
	rs, _ := compile.Compile(p, s)
	if err := rs.Validate(); err != nil {
		t.Fatal(err)
	}
	m := trace.New(rs)
	for _, c := range []struct {
		nic, source string
		allow       bool
	}{
		{"br-bbbbbbbbbbbb", "172.18.0.2", true},
		{"pub0", "172.20.0.2", true},
		{"br-0123456789ab", "172.18.0.2", false},
		{"br-0123456789ab", "172.20.0.2", false},
		{"br-0123456789ab", "10.8.0.5", false},
		{"br-ffffffffffff", "172.18.0.2", false},
		{"br-ffffffffffff", "172.20.0.2", false},
		{"br-ffffffffffff", "10.8.0.5", false},
		{"br-ffffffffffff", "10.77.0.8", false},
		{"br-ffffffffffff", "10.77.0.9", true},
	} {
		for _, to := range []string{"192.0.2.1", "203.0.113.9"} {
			q := policy.Question{NIC: c.nic, Source: addr(c.source), Dest: addr(to), Port: 53, Proto: netinfo.UDP, Out: "eth0"}
			for _, way := range trace.Packets(s, q) {
				if means := policy.Eval(p, s, way.Question); means.Allow != c.allow {
					t.Errorf("from %s by %s to %s: means %+v", c.source, c.nic, to, means)
				}
				if got := m.Run(way.Packet, way.Base); (got.Verdict == trace.Pass) != c.allow {
					t.Errorf("from %s by %s to %s: %s\n%s", c.source, c.nic, to, got.Verdict, walk(got))
				}
			}
		}
	}
}
