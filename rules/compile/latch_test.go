package compile_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/trace"
)

// The latch agrees with the rules in front of it. Where they stand, it drops nothing
// that they let pass: they stamp what it asks for, and stamp nothing else. Where they
// are gone, no packet bears a stamp, and it drops whatever the policy denies of what
// is forwarded from or to a Docker network.
func TestLatchAgreesWithTheRules(t *testing.T) {
	passed, stamps, denied := 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s, p := policytest.Snapshot(t), policytest.Policy(t)
		rs, _ := compile.Compile(p, s)
		latch := compile.Latch(p, s).Ruleset()
		if err := latch.Validate(); err != nil {
			t.Fatalf("the latch is not valid: %v", err)
		}
		m, l := trace.New(rs), trace.New(latch)
		check := func(got trace.Result, packet trace.Packet, base rules.Base) {
			if got.Verdict != trace.Pass {
				return
			}
			passed++
			alone := l.RunLatch(packet, base)
			packet.Stamped = stamped(got)
			if packet.Stamped {
				stamps++
			}
			if behind := l.RunLatch(packet, base); behind.Verdict != trace.Pass {
				t.Fatalf("the rules let this pass, and the latch drops it: %+v\n%s\n%s", packet, walk(got), walk(behind))
			}
			if begins(packet) && packet.Stamped != (alone.Verdict == trace.Drop) {
				t.Fatalf("stamped %v, but the latch alone says %s: %+v\n%s\n%s", packet.Stamped, alone.Verdict, packet, walk(got), walk(alone))
			}
		}
		for range 10 {
			q := policytest.Question(t, s)
			for _, way := range trace.Packets(s, q) {
				alone := l.RunLatch(way.Packet, rules.BaseForward)
				if way.Base == rules.BaseInput {
					alone = l.RunLatch(way.Packet, rules.BaseInput)
				} else {
					check(m.Run(way.Packet, rules.BaseDockerUser), way.Packet, rules.BaseForward)
					check(m.RunGuard(way.Packet, rules.BaseForward), way.Packet, rules.BaseForward)
				}
				means := policy.Eval(p, s, way.Question)
				if means.Allow {
					if way.Base == rules.BaseInput && alone.Verdict == trace.Drop {
						t.Fatalf("%+v\nmeans %+v\nbut the latch drops it:\n%s", way.Question, means, walk(alone))
					}
					continue
				}
				if way.Base == rules.BaseDockerUser && begins(way.Packet) && meets(s, way.Packet) {
					denied++
					if alone.Verdict != trace.Drop {
						t.Fatalf("%+v\nmeans %+v\nbut the latch alone says %s:\n%s", way.Question, means, alone.Verdict, walk(alone))
					}
				}
			}
			packet := sent(t, s)
			check(m.Run(packet, rules.BaseOutput), packet, rules.BaseOutput)
		}
	})
	if passed < 50 || stamps < 20 || denied < 20 {
		t.Errorf("%d packets passed, %d of them stamped, and %d were denied: this shows little", passed, stamps, denied)
	}
}

// stamped reports whether a rule stamped the packet on the way.
func stamped(r trace.Result) bool {
	return slices.ContainsFunc(r.Steps, func(s trace.Step) bool { return s.Verdict.Kind == rules.Stamp && s.Outcome == trace.Hit })
}

// begins reports whether the packet begins a connection.
func begins(p trace.Packet) bool {
	return !p.Conn.Confirmed && (p.Conn.State == rules.StateNew || p.Conn.State == rules.StateRelated)
}

// meets reports whether the packet comes from or goes to a Docker network.
func meets(s netinfo.Snapshot, p trace.Packet) bool {
	return slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Bridge != "" && (n.Bridge == p.In || n.Bridge == p.Out) })
}

// sent draws a packet that the host itself sends.
func sent(t *rapid.T, s netinfo.Snapshot) trace.Packet {
	names := []string{"lo", "new0", "br-0123456789ab", "br-lan", "eth9", "docker0"}
	for _, link := range s.Links {
		names = append(names, link.Name)
	}
	p := trace.Packet{Out: rapid.SampledFrom(names).Draw(t, "out"), Src: netip.MustParseAddr("192.0.2.1"),
		Dst:   netip.MustParseAddr(rapid.SampledFrom([]string{"172.17.0.2", "172.17.0.77", "224.0.0.1"}).Draw(t, "to")),
		Proto: netinfo.UDP, SrcPort: 40000, DstPort: 80, Conn: trace.Conn{Original: true,
			State: rapid.SampledFrom([]rules.ConnState{rules.StateNew, rules.StateRelated}).Draw(t, "state")}}
	for _, link := range s.Links {
		p.OutBridge = p.OutBridge || link.Name == p.Out && link.Kind == "bridge"
	}
	return p
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
