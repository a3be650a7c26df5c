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

// What is left of a connection that was cut lets nobody in: a client that dials
// again from the same port is judged like any other, though connection tracking
// says ESTABLISHED. Other packets of established connections pass. A connection
// that another one announced is judged, ICMP errors pass, redirects do not.
func TestWhatBeginsIsJudged(t *testing.T) {
	office := policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8:1::/64")}}
	p := policy.Policy{Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Published: []*policy.Published{{Name: "office", From: office, Origin: rules.Origin{Subject: rules.Subject{Kind: "published", Name: "office"}}}}}
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
		{"a stranger's SYN that another connection announced", netinfo.TCP, true, false, rules.StateRelated, false},
		{"the office's SYN that another connection announced", netinfo.TCP, true, true, rules.StateRelated, true},
		{"a stranger's TCP packet on what was announced, before it is answered", netinfo.TCP, false, false, rules.StateRelated, false},
		{"a stranger's datagram that another connection announced", netinfo.UDP, false, false, rules.StateRelated, false},
		{"the office's datagram that another connection announced", netinfo.UDP, false, true, rules.StateRelated, true},
		{"PPTP's GRE, which its control connection announced", 47, false, false, rules.StateRelated, false},
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

// ICMP errors about a connection pass in every place, whatever is denied: without
// them path MTU discovery fails. A redirect is judged.
func TestErrorsPass(t *testing.T) {
	deny := policy.Defaults{Published: policy.Deny, Between: policy.Deny, Egress: policy.Deny, Host: policy.Deny}
	p := policy.Policy{Defaults: deny, Host: []*policy.Host{{Name: "none", Origin: rules.Origin{Subject: rules.Subject{Kind: "host", Name: "none"}}}},
		Egress: []*policy.Egress{{Name: "none", Origin: rules.Origin{Subject: rules.Subject{Kind: "egress", Name: "none"}}}}}
	rs, _ := compile.Compile(p, netinfo.Snapshot{Networks: []netinfo.Network{{ID: "n", Name: "bridge", Driver: "bridge", Bridge: "docker0",
		Subnets: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("fd00::/64")}}}})
	m := trace.New(rs)
	type way struct {
		base         rules.Base
		in, out      string
		redirectPass bool
	}
	for _, w := range []way{{rules.BaseDockerUser, "eth0", "docker0", false}, {rules.BaseDockerUser, "docker0", "eth0", false},
		{rules.BaseDockerUser, "docker0", "docker0", false}, {rules.BaseInput, "docker0", "", false},
		{rules.BaseInput, "eth0", "", true}, {rules.BaseOutput, "", "docker0", true}} {
		for _, family := range []struct {
			proto                 netinfo.Protocol
			unreachable, redirect uint8
			src, dst, router      string
		}{{netinfo.ICMP, 3, rules.TypeRedirect4, "172.17.0.3", "172.17.0.2", "192.0.2.9"},
			{netinfo.ICMPv6, 2, rules.TypeRedirect6, "fd00::3", "fd00::2", "2001:db8::9"}} {
			if w.in == "eth0" {
				family.src = family.router
			}
			for _, original := range []bool{true, false} {
				packet := trace.Packet{In: w.in, Out: w.out, Src: netip.MustParseAddr(family.src), Dst: netip.MustParseAddr(family.dst),
					Proto: family.proto, ICMPType: family.unreachable, Conn: trace.Conn{State: rules.StateRelated, Original: original}}
				if got := m.Run(packet, w.base); got.Verdict != trace.Pass {
					t.Errorf("an error from %q to %q: %s\n%s", w.in, w.out, got.Verdict, walk(got))
				}
				packet.ICMPType = family.redirect
				if got := m.Run(packet, w.base); (got.Verdict == trace.Pass) != w.redirectPass {
					t.Errorf("a redirect from %q to %q: %s\n%s", w.in, w.out, got.Verdict, walk(got))
				}
			}
		}
	}
}
