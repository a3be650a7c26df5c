package compile

import (
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

// The rules of a swarm block agree with its meaning for ESP, which has no ports and which
// no drawn question is about.
func TestSwarmRules(t *testing.T) {
	s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Known: true, DataPathPort: 7777}, Links: []netinfo.Link{
		{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8::1/64")}}}}
	s.Normalize()
	p := policy.Policy{DenyWith: policy.DenyDrop, Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Swarm: &policy.Swarm{Peers: policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::7/128")}},
			Origin: rules.Origin{Subject: rules.Subject{Kind: rules.KindSwarm}, File: "agent.hcl", Line: 1}}}
	rs, _ := Compile(p, s)
	if err := rs.Validate(); err != nil {
		t.Fatal(err)
	}
	m := trace.New(rs)
	for _, tt := range []struct {
		from, to string
		proto    netinfo.Protocol
		port     uint16
		nic      string
		pass     bool
	}{
		{"192.0.2.7", "192.0.2.1", netinfo.ESP, 0, "eth0", true},
		{"192.0.2.8", "192.0.2.1", netinfo.ESP, 0, "eth0", false},
		{"2001:db8::7", "2001:db8::1", netinfo.ESP, 0, "eth0", true},
		{"2001:db8::8", "2001:db8::1", netinfo.ESP, 0, "eth0", false},
		{"192.0.2.1", "192.0.2.1", netinfo.ESP, 0, "lo", true},
		{"192.0.2.8", "192.0.2.1", netinfo.UDP, 7777, "eth0", false},
		{"192.0.2.7", "192.0.2.1", netinfo.UDP, 7777, "eth0", true},
		{"192.0.2.8", "192.0.2.1", netinfo.UDP, 4789, "eth0", false},
		{"192.0.2.8", "192.0.2.1", netinfo.UDP, 4790, "eth0", true},
	} {
		q := policy.Question{NIC: tt.nic, Source: netip.MustParseAddr(tt.from), Dest: netip.MustParseAddr(tt.to), Proto: tt.proto, Port: tt.port}
		if got := policy.Eval(p, s, q); got.Allow != tt.pass {
			t.Errorf("%v: the policy says %+v", tt, got)
		}
		for _, way := range trace.Packets(s, q) {
			if got := m.Verdict(way.Packet, way.Base); (got.Verdict == trace.Pass) != tt.pass {
				t.Errorf("%v: the rules say %v", tt, got.Verdict)
			}
		}
	}
}
