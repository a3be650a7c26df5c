package rules_test

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/trace"
)

// latches draws a latch over a few interface names, with closed ports.
func latches() *rapid.Generator[rules.Latch] {
	return rapid.Custom(func(t *rapid.T) rules.Latch {
		names := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.Interface {
			return rules.Interface{Name: rapid.SampledFrom([]string{"docker0", "br-lan", "br-", "eth", "eth0", "virbr0"}).Draw(t, "name"), Prefix: rapid.Bool().Draw(t, "prefix")}
		}), 0, 3)
		l := rules.Latch{NotDocker: names.Draw(t, "not docker"), Docker: names.Draw(t, "docker"), Elsewhere: names.Draw(t, "elsewhere"),
			Uplinks: names.Draw(t, "uplinks"), Bridges: names.Draw(t, "bridges"), Tight: rapid.Bool().Draw(t, "tight"),
			LeftOut: rapid.SampledFrom([]int{0, 4, 6}).Draw(t, "left out")}
		if rapid.Bool().Draw(t, "ports") {
			l.Ports = []rules.PortRange{{Lo: 2375, Hi: 2376}}
			l.From = []netip.Prefix{netip.MustParsePrefix("192.0.2.8/29"), netip.MustParsePrefix("2001:db8::/64")}
		}
		return l
	})
}

func latchPacket(t *rapid.T) trace.Packet {
	nic := rapid.SampledFrom([]string{"docker0", "br-lan", "br-0123456789ab", "eth0", "eth9", "virbr0", "new0", "lo"})
	p := trace.Packet{In: nic.Draw(t, "in"), Out: nic.Draw(t, "out"), Src: netip.MustParseAddr("192.0.2.9"), Dst: netip.MustParseAddr("172.17.0.2"),
		Proto: rapid.SampledFrom([]rules.Protocol{netinfo.TCP, netinfo.UDP}).Draw(t, "proto"), SrcPort: 40000,
		DstPort:   rapid.SampledFrom([]uint16{80, 2375, 2376, 2377}).Draw(t, "port"),
		OutBridge: rapid.Bool().Draw(t, "out bridge"), Stamped: rapid.Bool().Draw(t, "stamped"),
		Conn: trace.Conn{State: rapid.SampledFrom([]rules.ConnState{rules.StateNew, rules.StateRelated, rules.StateEstablished, rules.StateInvalid, rules.StateUntracked}).Draw(t, "state")}}
	if rapid.Bool().Draw(t, "other source") {
		p.Src = netip.MustParseAddr("198.51.100.7")
	}
	p.Conn.Confirmed = p.Conn.State == rules.StateRelated && rapid.Bool().Draw(t, "confirmed")
	return p
}

// closes is the latch's meaning, written without chains.
func closes(l rules.Latch, p trace.Packet, base rules.Base) bool {
	has := func(is []rules.Interface, name string) bool {
		for _, i := range is {
			if i.Name == name || i.Prefix && strings.HasPrefix(name, i.Name) {
				return true
			}
		}
		return false
	}
	if p.Conn.Confirmed || p.Conn.State != rules.StateNew && p.Conn.State != rules.StateRelated {
		return false // it does not begin a connection
	}
	if l.LeftOut == 4 && base != rules.BaseInput {
		return false // nothing stamps it, and it is of IPv4
	}
	switch base {
	case rules.BaseInput:
		if p.In == "lo" || p.Proto != netinfo.TCP {
			return false
		}
		for _, r := range l.Ports {
			if r.Lo <= p.DstPort && p.DstPort <= r.Hi {
				return p.Src != netip.MustParseAddr("192.0.2.9")
			}
		}
		return false
	case rules.BaseOutput:
		if p.Out == "lo" || p.Stamped && !l.Tight {
			return false
		}
	case rules.BaseForward:
		if p.Stamped {
			return false
		}
		if !has(l.NotDocker, p.In) && !has(l.Uplinks, p.In) && has(l.Docker, p.In) {
			return true
		}
	}
	if has(l.NotDocker, p.Out) || has(l.Bridges, p.Out) {
		return false
	}
	return has(l.Docker, p.Out) || p.OutBridge || !has(l.Elsewhere, p.Out)
}

// The latch is a valid ruleset, its walk is its meaning, and it answers for every
// packet. It is no ruleset for iptables.
func TestLatchIsRules(t *testing.T) {
	closed := map[rules.Base]int{}
	rapid.Check(t, func(t *rapid.T) {
		l := latches().Draw(t, "latch")
		rs := l.Ruleset()
		if err := rs.Validate(); err != nil {
			t.Fatal(err)
		}
		if err := (iptables.Backend{}).Check(rs); err == nil {
			t.Fatal("iptables would write the latch")
		}
		m := trace.New(rs)
		for range 20 {
			p := latchPacket(t)
			for _, base := range []rules.Base{rules.BaseForward, rules.BaseOutput, rules.BaseInput} {
				p := p
				switch base {
				case rules.BaseOutput:
					p.In = ""
				case rules.BaseInput:
					p.Out = ""
				}
				got := m.RunLatch(p, base)
				if want := closes(l, p, base); (got.Verdict == trace.Drop) != want || got.Verdict == trace.Undecided {
					t.Fatalf("%s of %+v: %s, want closed %v\n%+v", base, p, got.Verdict, want, l)
				} else if want {
					closed[base]++
				}
				if got := m.Run(p, base); got.Verdict != trace.Pass || len(got.Steps) > 0 {
					t.Fatalf("filter's %s leads into the latch: %+v", base, got)
				}
			}
		}
	})
	for _, base := range []rules.Base{rules.BaseForward, rules.BaseOutput, rules.BaseInput} {
		if closed[base] == 0 {
			t.Errorf("%s: %d packets were dropped: this shows little", base, closed[base])
		}
	}
}
