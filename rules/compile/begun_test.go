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

// What is left of a connection that was cut lets nobody in: who dials again
// from the same port is judged like everybody, though connection tracking says
// ESTABLISHED. What is not TCP, and what is no SYN, goes on, and so does what
// another connection announced.
func TestSynIsJudged(t *testing.T) {
	office := policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/64")}}
	p := policy.Policy{Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Published: []*policy.Published{{Name: "office", From: office, Origin: rules.Origin{Policy: "published.office"}}}}
	rs, _ := compile.Compile(p, netinfo.Snapshot{Networks: []netinfo.Network{{ID: "n", Name: "bridge", Driver: "bridge", Bridge: "docker0"}}})
	m := trace.New(rs)
	for _, tc := range []struct {
		name         string
		proto        netinfo.Protocol
		syn, allowed bool
		state        rules.ConnState
		pass         bool
	}{
		{"a stranger's SYN on what was cut", netinfo.TCP, true, false, rules.StateEstablished, false},
		{"the office's SYN, sent twice", netinfo.TCP, true, true, rules.StateEstablished, true},
		{"a stranger's packet on what was allowed when it began", netinfo.TCP, false, false, rules.StateEstablished, true},
		{"a stranger's SYN", netinfo.TCP, true, false, rules.StateNew, false},
		{"a SYN that another connection announced", netinfo.TCP, true, false, rules.StateRelated, true},
		{"a datagram on what was allowed when it began", netinfo.UDP, false, false, rules.StateEstablished, true},
		{"a stranger's datagram", netinfo.UDP, false, false, rules.StateNew, false},
	} {
		for _, addr := range [][3]string{{"192.0.2.7", "203.0.113.7", "172.17.0.2"}, {"2001:db8:1::7", "2001:db8:9::7", "fd00::2"}} {
			from := addr[1]
			if tc.allowed {
				from = addr[0]
			}
			packet := trace.Packet{In: "eth0", Out: "docker0", Src: netip.MustParseAddr(from), Dst: netip.MustParseAddr(addr[2]),
				Proto: tc.proto, SrcPort: 40000, DstPort: 80, Syn: tc.syn,
				Conn: trace.Conn{State: tc.state, DNAT: true, Original: true, OrigDst: netip.MustParseAddr(addr[0]), OrigDstPort: 8080}}
			for name, got := range map[string]trace.Result{"filter": m.Run(packet, rules.BaseDockerUser), "guard": m.RunGuard(packet, rules.BaseForward)} {
				if (got.Verdict == trace.Pass) != tc.pass {
					t.Errorf("%s from %s: %s in the %s", tc.name, from, got.Verdict, name)
				}
			}
		}
	}
}
