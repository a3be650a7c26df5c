package compile_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/trace"
)

// closed reports whether a latch closes the way from one NIC to another; in is
// empty for what the host itself sends.
func closed(l rules.Latch, in, out string) bool {
	has := func(is []rules.Interface, name string) bool {
		for _, i := range is {
			if i.Name == name || i.Prefix && strings.HasPrefix(name, i.Name) {
				return true
			}
		}
		return false
	}
	switch {
	case in == "" && out == "lo":
		return false
	case in != "" && !has(l.NotDocker, in) && !has(l.Uplinks, in) && has(l.Docker, in):
		return true
	case has(l.NotDocker, out) || has(l.Bridges, out):
		return false
	}
	return has(l.Docker, out) || !has(l.Elsewhere, out)
}

// Whatever begins a connection and passes the rules, through filter or through
// the guard, bears a stamp where the latch asks for one, and elsewhere bears none.
func TestLatchKnowsWhatIsStamped(t *testing.T) {
	passed, shut := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s, p := policytest.Snapshot(t), policytest.Policy(t)
		rs, _ := compile.Compile(p, s)
		l, m := compile.Latch(p, s), trace.New(rs)
		check := func(got trace.Result, in, out string) {
			if got.Verdict != trace.Pass {
				return
			}
			stamped := false
			for _, step := range got.Steps {
				stamped = stamped || step.Verdict.Kind == rules.Stamp && step.Outcome == trace.Hit
			}
			passed++
			if stamped {
				shut++
			}
			if want := closed(l, in, out); stamped != want {
				t.Fatalf("from %q to %q: stamped %v, but the latch asks for it: %v\nlatch %+v\n%s", in, out, stamped, want, l, walk(got))
			}
		}
		for range 10 {
			q := policytest.Question(t, s)
			for _, way := range trace.Packets(s, q) {
				// An ICMP error belongs to a connection that the latch has seen begin.
				icmp := q.Proto == netinfo.ICMP || q.Proto == netinfo.ICMPv6
				if way.Base == rules.BaseDockerUser && !(q.Expected && icmp) {
					check(m.Run(way.Packet, rules.BaseDockerUser), way.Packet.In, way.Packet.Out)
					check(m.RunGuard(way.Packet, rules.BaseForward), way.Packet.In, way.Packet.Out)
				}
			}
			names := []string{"lo", "new0", "br-0123456789ab", "br-lan", "eth9", "docker0"}
			for _, link := range s.Links {
				names = append(names, link.Name)
			}
			out := rapid.SampledFrom(names).Draw(t, "out")
			dst := rapid.SampledFrom([]string{"172.17.0.2", "172.17.0.77", "224.0.0.1"}).Draw(t, "to")
			state := rapid.SampledFrom([]rules.ConnState{rules.StateNew, rules.StateRelated}).Draw(t, "state")
			check(m.Run(trace.Packet{Out: out, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr(dst), Proto: netinfo.UDP, SrcPort: 40000, DstPort: 80,
				Conn: trace.Conn{State: state, Original: true}}, rules.BaseOutput), "", out)
		}
	})
	if passed < 100 || shut < 100 {
		t.Errorf("%d packets passed, %d of them stamped: this shows little", passed, shut)
	}
}

// The engine's ports are closed with no rule where nobody may reach them.
func TestLatchClosesTheAPI(t *testing.T) {
	s := netinfo.Snapshot{Listeners: []netinfo.Listener{{Proto: netinfo.TCP, Port: 4243, Addr: netip.IPv4Unspecified(), Dockerd: true}},
		Networks: []netinfo.Network{{ID: "n", Name: "bridge", Driver: "bridge", Bridge: "docker0", Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT}}}
	if got := compile.Latch(policy.Policy{}, s).Ports; len(got) != 2 || got[0] != (rules.PortRange{Lo: 2375, Hi: 2376}) || got[1] != (rules.PortRange{Lo: 4243, Hi: 4243}) {
		t.Errorf("closed are %v", got)
	}
	ops, vpn := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/64")
	block := policy.Policy{DockerAPI: &policy.DockerAPI{From: policy.AddressList{Literals: []netip.Prefix{ops}, Refs: []*policy.Addresses{{Prefixes: []netip.Prefix{vpn}}}}}}
	if got := compile.Latch(block, s); len(got.Ports) != 2 || !slices.Equal(got.From, []netip.Prefix{ops, vpn}) {
		t.Errorf("with a docker_api block closed are %v but to %v", got.Ports, got.From)
	}
	block.DockerAPI.From.Refs[0].Prefixes = make([]netip.Prefix, 1000)
	if got := compile.Latch(block, s); len(got.Ports) != 0 || len(got.From) != 0 {
		t.Errorf("with a long list closed are %v but to %d", got.Ports, len(got.From))
	}
	s.Containers = []netinfo.Container{onBridge("proxy", "n", "172.17.0.2", netinfo.PublishedPort{Proto: netinfo.TCP, ContainerPort: 2375, HostPort: 2375, HostPortEnd: 2375})}
	if got := compile.Latch(policy.Policy{}, s).Ports; len(got) != 0 {
		t.Errorf("where a container publishes the port closed are %v", got)
	}
}
