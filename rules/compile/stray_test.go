package compile_test

import (
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// What crosses a bridge without being routed, from or to an address outside the Docker
// networks, makes an entry of connection tracking by which later packets leave the
// host: egress has to allow it, and between too. Addresses behind a container of the
// bridge, groups and link-local addresses cannot leave the host by that.
func TestStrayFrames(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	s := netinfo.Snapshot{
		Networks: []netinfo.Network{
			{ID: "n", Name: "front", Driver: "bridge", Bridge: "br-bbbbbbbbbbbb", Subnets: []netip.Prefix{prefix("172.18.0.0/24"), prefix("fd18::/64")}},
			{ID: "o", Name: "other", Driver: "bridge", Bridge: "br-cccccccccccc", Subnets: []netip.Prefix{prefix("172.19.0.0/24")}},
		},
		Containers: []netinfo.Container{{ID: "1", Name: "web", State: "running", Endpoints: []netinfo.Endpoint{
			{NetworkID: "n", Addrs: []netip.Addr{addr("172.18.0.2"), addr("fd18::2")}}},
			Ports: []netinfo.PublishedPort{{HostPort: 8053, HostPortEnd: 8053, Proto: netinfo.UDP, ContainerPort: 53}}}},
		Links: []netinfo.Link{
			{Index: 2, Name: "eth0", Addrs: []netip.Prefix{prefix("192.0.2.1/24")}},
			{Index: 3, Name: "br-bbbbbbbbbbbb", Kind: "bridge", Addrs: []netip.Prefix{prefix("172.18.0.1/24"), prefix("fd18::1/64")}},
			{Index: 4, Name: "br-cccccccccccc", Kind: "bridge", Addrs: []netip.Prefix{prefix("172.19.0.1/24")}},
			{Index: 5, Name: "br-ffffffffffff", Kind: "bridge", Unplaced: true, Addrs: []netip.Prefix{prefix("172.22.0.1/24")}},
		},
		Routes: []netinfo.Route{{Prefix: prefix("10.8.0.0/24"), Link: "br-bbbbbbbbbbbb"}},
	}
	const never, byEgress, always = "never", "if egress allows", "whatever egress says"
	for _, c := range []struct{ source, dest, dnat, passes string }{
		{"172.18.0.3", "172.18.0.2", "", always},
		{"172.18.0.3", "203.0.113.9", "", byEgress},
		{"203.0.113.9", "172.18.0.2", "", byEgress},
		{"203.0.113.9", "198.51.100.9", "", byEgress},
		{"203.0.113.9", "192.0.2.1", "172.18.0.2:53", byEgress},
		{"172.18.0.3", "192.0.2.1", "172.18.0.2:53", always},
		{"172.22.0.9", "192.0.2.1", "172.18.0.2:53", byEgress},
		{"172.22.0.9", "172.18.0.2", "", byEgress},
		{"172.18.0.3", "172.19.0.9", "", never},
		{"172.18.0.3", "10.8.0.5", "", always},
		{"10.8.0.5", "172.18.0.2", "", always},
		{"172.18.0.3", "224.0.0.251", "", always},
		{"203.0.113.9", "224.0.0.251", "", always},
		{"fd18::3", "2001:db8::9", "", byEgress},
		{"2001:db8::9", "fd18::2", "", byEgress},
		{"fe80::3", "fd18::2", "", always},
		{"fd18::3", "fe80::2", "", always},
		{"fe80::3", "ff02::fb", "", always},
	} {
		for _, egress := range []policy.Action{policy.Allow, policy.Deny} {
			for _, between := range []policy.Action{policy.Allow, policy.Deny} {
				p := policy.Policy{Defaults: policy.Defaults{Published: policy.Deny, Between: between, Egress: egress, Host: policy.Allow}}
				rs, _ := compile.Compile(p, s)
				if err := rs.Validate(); err != nil {
					t.Fatal(err)
				}
				q := policy.Question{NIC: "br-bbbbbbbbbbbb", Source: addr(c.source), Dest: addr(c.dest), Port: 53, Proto: netinfo.UDP, Out: "br-bbbbbbbbbbbb"}
				if c.dnat != "" {
					q.Port, q.DNAT = 8053, netip.MustParseAddrPort(c.dnat)
				}
				ways := trace.Packets(s, q)
				want := between == policy.Allow && (c.passes == always || c.passes == byEgress && egress == policy.Allow)
				if got := policy.Eval(p, s, q).Allow; got != want {
					t.Errorf("%+v, egress %s, between %s: means %v", c, egress, between, got)
				}
				if got := trace.New(rs).Run(ways[0].Packet, ways[0].Base); (got.Verdict == trace.Pass) != want {
					t.Errorf("%+v, egress %s, between %s: %s\n%s", c, egress, between, got.Verdict, walk(got))
				}
			}
		}
	}
}
