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
		Blocks: []*policy.Block{{Name: "bad", To: to, Origin: rules.Origin{Policy: "block.bad"}}}}
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
