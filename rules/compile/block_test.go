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

// A block's "to" ends what containers open, at any stage, and what is on no
// connection. What answers those who dialled a container goes on: replies to
// allowed connections always pass, and explain says that they are allowed.
func TestBlockToLeavesReplies(t *testing.T) {
	to := policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8:9::/64")}}
	p := policy.Policy{Defaults: policy.Defaults{Published: policy.Allow, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Blocks: []*policy.Block{{Name: "bad", To: to, Origin: rules.Origin{Subject: rules.Subject{Kind: "block", Name: "bad"}}}}}
	rs, _ := compile.Compile(p, netinfo.Snapshot{Networks: []netinfo.Network{{ID: "n", Name: "bridge", Driver: "bridge", Bridge: "docker0"}}})
	m := trace.New(rs)
	for _, tc := range []struct {
		conn trace.Conn
		pass bool
	}{
		{trace.Conn{State: rules.StateNew, Original: true}, false},
		{trace.Conn{State: rules.StateEstablished, Original: true}, false},
		{trace.Conn{State: rules.StateRelated, Original: true}, false},
		{trace.Conn{State: rules.StateInvalid}, false},
		{trace.Conn{State: rules.StateUntracked}, false},
		{trace.Conn{State: rules.StateEstablished}, true},
		{trace.Conn{State: rules.StateEstablished, DNAT: true}, true},
		{trace.Conn{State: rules.StateRelated}, true},
	} {
		for _, addr := range [][2]string{{"172.17.0.2", "198.51.100.7"}, {"2001:db8:1::2", "2001:db8:9::7"}} {
			packet := trace.Packet{In: "docker0", Out: "eth0", Src: netip.MustParseAddr(addr[0]), Dst: netip.MustParseAddr(addr[1]),
				Proto: netinfo.TCP, SrcPort: 80, DstPort: 40000, Conn: tc.conn}
			if got := m.Run(packet, rules.BaseDockerUser); (got.Verdict == trace.Pass) != tc.pass {
				t.Errorf("%s with %+v: %s", addr[1], tc.conn, got.Verdict)
			}
		}
	}
}

// A block's "from" ends what is going on, in both directions. What a container
// answers is looked up only where the block may be about a container.
func TestBlockFromEndsWhatGoesOn(t *testing.T) {
	net := []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16"), netip.MustParsePrefix("fd00::/64")}
	snapshot := netinfo.Snapshot{Networks: []netinfo.Network{{ID: "n", Name: "bridge", Driver: "bridge", Bridge: "docker0", Subnets: net}}}
	type addrs [2]string // of both families
	bad, container, other := addrs{"198.51.100.7", "2001:db8:9::7"}, addrs{"172.17.0.2", "fd00::2"}, addrs{"192.0.2.7", "2001:db8:1::7"}
	outside, inside := addrs{"198.51.100.0/24", "2001:db8:9::/64"}, addrs{"172.16.0.0/12", "fd00::2/128"}
	for _, tc := range []struct {
		name     string
		blocked  addrs
		in       string
		src, dst addrs
		original bool
		pass     bool
	}{
		{"on from a blocked address", outside, "eth0", bad, container, true, false},
		{"an answer from a blocked address", outside, "eth0", bad, container, false, false},
		{"on from another", outside, "eth0", other, container, true, true},
		{"an answer to a blocked address, which nothing may come from", outside, "docker0", container, bad, false, true},
		{"a container's answer", outside, "docker0", container, other, false, true},
		{"a container takes a blocked address", outside, "docker0", bad, other, true, false},
		{"a blocked container's answer", inside, "docker0", container, other, false, false},
		{"a blocked container sends on", inside, "docker0", container, other, true, false},
		{"another's answer to a blocked container", inside, "eth0", other, container, false, true},
	} {
		from := policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix(tc.blocked[0]), netip.MustParsePrefix(tc.blocked[1])}}
		p := policy.Policy{Defaults: policy.Defaults{Published: policy.Allow, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
			Blocks: []*policy.Block{{Name: "bad", From: from, Origin: rules.Origin{Subject: rules.Subject{Kind: "block", Name: "bad"}}}}}
		rs, _ := compile.Compile(p, snapshot)
		m := trace.New(rs)
		for _, state := range []rules.ConnState{rules.StateEstablished, rules.StateRelated} {
			for family := range 2 {
				packet := trace.Packet{In: tc.in, Out: "eth1", Src: netip.MustParseAddr(tc.src[family]), Dst: netip.MustParseAddr(tc.dst[family]),
					Proto: netinfo.TCP, SrcPort: 80, DstPort: 40000, Conn: trace.Conn{State: state, Original: tc.original}}
				for hook, base := range map[string]rules.Base{"FORWARD": rules.BaseDockerUser, "INPUT": rules.BaseInput} {
					if got := m.Run(packet, base); (got.Verdict == trace.Pass) != tc.pass {
						t.Errorf("%s, %s, in %s: %s", tc.name, packet.Src, hook, got.Verdict)
					}
				}
			}
		}
	}
}
