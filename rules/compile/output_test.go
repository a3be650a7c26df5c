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

// onBridge is a running container with one address on a network.
func onBridge(name, network, addr string, ports ...netinfo.PublishedPort) netinfo.Container {
	return netinfo.Container{ID: name, Name: name, State: "running", Ports: ports,
		Endpoints: []netinfo.Endpoint{{ID: name, NetworkID: network, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}}}
}

// The host reaches on Docker's bridges whose ports are known, and nobody else;
// elsewhere it reaches whom it likes.
func TestHostReachesWhoIsAnnounced(t *testing.T) {
	fixed := netinfo.PublishedPort{Proto: netinfo.TCP, ContainerPort: 80, HostPort: 8080, HostPortEnd: 8080}
	picked := netinfo.PublishedPort{Proto: netinfo.TCP, ContainerPort: 80}
	given := picked
	given.HostAddr, given.HostPort, given.HostPortEnd = netip.IPv4Unspecified(), 32768, 32768
	unread := onBridge("unread", "n", "172.17.0.3")
	unread.Unread = true
	second := onBridge("second", "n", "172.17.0.5", fixed)
	second.Endpoints[0].Seen = []netip.Addr{netip.MustParseAddr("172.17.0.50"), netip.MustParseAddr("fe80::50")}
	s := netinfo.Snapshot{
		Engine: netinfo.Engine{Connected: true, Known: true},
		Networks: []netinfo.Network{
			{ID: "n", Name: "bridge", Driver: "bridge", Bridge: "docker0", Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT,
				Subnets: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("fd00::/64")}, Gateways: []netip.Addr{netip.MustParseAddr("172.17.0.1")}},
			{ID: "g", Name: "docker_gwbridge", Driver: "bridge", Bridge: "docker_gwbridge", Subnets: []netip.Prefix{netip.MustParsePrefix("172.19.0.0/16")}, Ingress: netip.MustParseAddr("172.19.0.2")},
			{ID: "r", Name: "routed", Driver: "bridge", Bridge: "odd0", Subnets: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, Mode4: netinfo.GatewayRouted, Mode6: netinfo.GatewayRouted},
			{ID: "i", Name: "inside", Driver: "bridge", Bridge: "br-0123456789ab", Internal: true, Mode4: netinfo.GatewayNAT},
		},
		Links: []netinfo.Link{{Index: 2, Name: "eth0"}, {Index: 3, Name: "docker0", Kind: "bridge"}, {Index: 4, Name: "odd0", Kind: "bridge"},
			{Index: 5, Name: "br-lan", Kind: "bridge"}, {Index: 6, Name: "br-0123456789ab", Kind: "bridge"}},
		Containers: []netinfo.Container{
			onBridge("web", "n", "172.17.0.2", fixed), unread, onBridge("waiting", "n", "172.17.0.4", picked), second,
			onBridge("six", "n", "fd00::6"), onBridge("given", "n", "172.17.0.7", given, picked),
			onBridge("routed", "r", "10.1.0.2", picked), onBridge("inside", "i", "10.2.0.2", picked),
		},
		Strangers: []netip.Addr{netip.MustParseAddr("172.17.0.99")},
		Dialled:   []netip.Addr{netip.MustParseAddr("172.17.0.98"), netip.MustParseAddr("fd00::98")},
	}
	type dial struct {
		out, to string
		proto   netinfo.Protocol
		state   rules.ConnState
		pass    bool
	}
	tcp, udp, new := netinfo.TCP, netinfo.UDP, rules.StateNew
	dials := []dial{
		{"docker0", "172.17.0.2", tcp, new, true},
		{"docker0", "172.17.0.3", tcp, new, false},                   // its ports are not read
		{"docker0", "172.17.0.3", tcp, rules.StateEstablished, true}, // replies to it
		{"docker0", "172.17.0.3", netinfo.ICMP, new, true},
		{"docker0", "172.17.0.4", tcp, new, false},  // Docker has not picked its port
		{"docker0", "172.17.0.50", udp, new, false}, // seen, and not the engine's word
		{"docker0", "172.17.0.7", tcp, new, true},
		{"docker0", "fd00::6", tcp, new, true},
		{"docker0", "fd00::7", tcp, new, false},
		{"docker0", "172.17.0.99", tcp, new, false}, // what is left of a container, perhaps
		{"docker0", "172.17.0.8", tcp, new, false},
		{"docker0", "172.17.0.98", tcp, new, true}, // no container has it
		{"docker0", "fd00::98", udp, new, true},
		{"docker0", "10.8.0.5", tcp, new, true},  // behind a container
		{"docker0", "10.1.0.3", tcp, new, false}, // another network's, by whatever route
		{"br-0123456789ab", "203.0.113.7", tcp, new, true},
		{"br-0123456789ab", "fd08::5", udp, new, true},
		{"docker0", "172.17.0.8", udp, new, false},
		{"docker0", "172.17.0.8", netinfo.SCTP, new, false},
		{"docker0", "172.17.0.1", tcp, new, true},
		{"docker0", "172.17.255.255", udp, new, true},
		{"docker0", "224.0.0.251", udp, new, true},
		{"docker0", "ff02::fb", udp, new, true},
		{"docker0", "fe80::7", tcp, new, true},
		{"docker0", "255.255.255.255", udp, new, true},
		{"odd0", "10.1.0.2", tcp, new, true}, // routed mode binds no port
		{"odd0", "10.1.0.3", tcp, new, false},
		{"br-0123456789ab", "10.2.0.2", tcp, new, true},   // and neither does an internal network
		{"docker_gwbridge", "172.19.0.2", tcp, new, true}, // swarm's ports
		{"docker_gwbridge", "172.19.0.3", tcp, new, false},
		{"br-ba9876543210", "10.3.0.2", tcp, new, false},
		{"new0", "10.4.0.2", tcp, new, false}, // nobody knows what it is
		{"br-lan", "10.5.0.2", tcp, new, true},
		{"eth0", "172.17.0.8", tcp, new, true},
		{"wg0", "10.6.0.2", tcp, new, true},
		{"lo", "172.17.0.1", tcp, new, true},
	}
	for _, deny := range []policy.DenyWith{policy.DenyDrop, policy.DenyReject} {
		rs, _ := compile.Compile(policy.Policy{DenyWith: deny, LogDenied: true}, s)
		if err := rs.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, set := range rs.Sets {
			for _, member := range set.Members {
				if member.Prefix.Addr().IsLinkLocalUnicast() && member.Prefix.Bits() > 10 {
					t.Errorf("set %s changes whenever a container speaks IPv6: %v", set.Name, member)
				}
			}
		}
		m := trace.New(rs)
		for _, d := range dials {
			dst := netip.MustParseAddr(d.to)
			src := netip.MustParseAddr("172.17.0.1")
			if dst.Is6() {
				src = netip.MustParseAddr("fd00::1")
			}
			got := m.Run(trace.Packet{Out: d.out, Src: src, Dst: dst, Proto: d.proto, SrcPort: 40000, DstPort: 80,
				Syn: d.proto == tcp && d.state == new, Conn: trace.Conn{State: d.state, Original: true}}, rules.BaseOutput)
			// A SYN that is dropped would come again, and find the container known.
			want := trace.Reject
			if d.pass {
				want = trace.Pass
			}
			if got.Verdict != want {
				t.Errorf("the host to %s by %s, protocol %d, %s: %s, want %s", d.to, d.out, d.proto, d.state, got.Verdict, want)
			}
		}
	}
}
