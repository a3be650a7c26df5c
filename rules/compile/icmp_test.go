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

// Of what connection tracking leaves alone, containers that are kept apart get
// neighbour discovery from each other, to one and to a group, and nothing else: not
// even where a block allows one of them everything with the other. The host gets
// from them all but what routers send.
func TestWhatNeighboursSend(t *testing.T) {
	all := []*policy.Selector{{Name: "all", Names: []string{"*"}}}
	p := policy.Policy{Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Deny, Egress: policy.Allow, Host: policy.Allow},
		Between: []*policy.Between{{Name: "all", From: all, To: all, Origin: rules.Origin{Subject: rules.Subject{Kind: "between", Name: "all"}}}},
		Host:    []*policy.Host{{Name: "none", Origin: rules.Origin{Subject: rules.Subject{Kind: "host", Name: "none"}}}}}
	s := netinfo.Snapshot{Networks: []netinfo.Network{{ID: "n", Name: "net", Driver: "bridge", Bridge: "br-0123456789ab",
		Subnets: []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16"), netip.MustParsePrefix("fd00::/64")}}},
		Containers: []netinfo.Container{onBridge("c", "n", "fd00::3"), onBridge("d", "n", "fd00::2"), onBridge("c4", "n", "172.18.0.3"), onBridge("d4", "n", "172.18.0.2")}}
	rs, _ := compile.Compile(p, s)
	m := trace.New(rs)
	for _, tc := range []struct {
		name           string
		kind           uint8
		dst            string
		state          rules.ConnState
		across, toHost bool
	}{
		{"a neighbour solicitation", 135, "ff02::1:ff00:2", rules.StateUntracked, true, true},
		{"one to the neighbour alone", 135, "fd00::2", rules.StateUntracked, true, true},
		{"a neighbour advertisement", 136, "fd00::2", rules.StateUntracked, true, true},
		{"one to all", 136, "ff02::1", rules.StateUntracked, true, true},
		{"a router solicitation", 133, "ff02::2", rules.StateUntracked, false, true},
		{"a router advertisement", 134, "ff02::1", rules.StateUntracked, false, false},
		{"one to the neighbour alone", 134, "fd00::2", rules.StateUntracked, false, false},
		{"a redirect", 137, "fd00::2", rules.StateInvalid, false, false},
		{"one about a connection", 137, "fd00::2", rules.StateRelated, false, false},
		{"a listener's query", 130, "ff02::1", rules.StateUntracked, false, true},
		{"a listener's report", 131, "ff02::fb", rules.StateUntracked, false, true},
		{"a listener's report of version 2", 143, "ff02::16", rules.StateUntracked, false, true},
		{"a ping", 128, "fd00::2", rules.StateNew, true, true},
		{"a ping of all", 128, "ff02::1", rules.StateNew, false, true},
		{"an error", 2, "fd00::2", rules.StateRelated, true, true},
		{"an IPv4 redirect", 5, "172.18.0.2", rules.StateInvalid, false, false},
		{"an IPv4 redirect about a connection", 5, "172.18.0.2", rules.StateRelated, false, false},
		{"an IPv4 ping", 8, "172.18.0.2", rules.StateNew, true, true},
	} {
		packet := trace.Packet{In: "br-0123456789ab", Out: "br-0123456789ab", Src: netip.MustParseAddr("fd00::3"), Dst: netip.MustParseAddr(tc.dst),
			Proto: netinfo.ICMPv6, ICMPType: tc.kind, Conn: trace.Conn{State: tc.state, Original: tc.state == rules.StateNew}}
		if packet.Dst.Is4() {
			packet.Src, packet.Proto = netip.MustParseAddr("172.18.0.3"), netinfo.ICMP
		}
		for name, got := range map[string]trace.Result{"filter": m.Run(packet, rules.BaseDockerUser), "guard": m.RunGuard(packet, rules.BaseForward)} {
			if (got.Verdict == trace.Pass) != tc.across {
				t.Errorf("%s to %s: %s in the %s\n%s", tc.name, tc.dst, got.Verdict, name, walk(got))
			}
		}
		packet.Out = ""
		for name, got := range map[string]trace.Result{"filter": m.Run(packet, rules.BaseInput), "guard": m.RunGuard(packet, rules.BaseInput)} {
			if (got.Verdict == trace.Pass) != tc.toHost {
				t.Errorf("%s to the host: %s in the %s\n%s", tc.name, got.Verdict, name, walk(got))
			}
		}
	}
}
