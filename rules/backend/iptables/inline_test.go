package iptables_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/ruletest"
	"dockwall/rules/trace"

	"pgregory.net/rapid"
)

// The same packets get the same verdicts from the same policies, and meet the
// same logs on the way, with sets and without.
func TestInlineMeansTheSame(t *testing.T) {
	compare(t, func(t *rapid.T) rules.Ruleset { return withoutLimits(ruletest.Rulesets().Draw(t, "ruleset")) }, drawPacket)
}

// The same for chains that do little else than look up, several sets at once,
// so that most packets hit something and every kind of stage is taken.
func TestInlineStages(t *testing.T) { compare(t, drawDense, densePacket) }

func compare(t *testing.T, ruleset func(*rapid.T) rules.Ruleset, packet func(*rapid.T) trace.Packet) {
	decided := 0
	rapid.Check(t, func(t *rapid.T) {
		rs := ruleset(t)
		in := iptables.Inline(rs)
		if err := in.Validate(); err != nil && !(skipsOnTheWayOut(rs) && strings.Contains(err.Error(), "chains deep")) {
			t.Fatalf("inline is invalid: %v", err)
		}
		if len(in.Sets) > 0 {
			t.Fatal("there is a set left")
		}
		sets, inline := trace.New(rs), trace.New(in)
		for range 20 {
			p := packet(t)
			for _, base := range []rules.Base{rules.BaseDockerUser, rules.BaseInput} {
				want, got := sets.Run(p, base), inline.Run(p, base)
				if describe(want) != describe(got) {
					t.Fatalf("%+v in %s:\nwith sets %s\n   inline %s\n%s", p, base, describe(want), describe(got),
						iptables.Render(in, 4, iptables.Options{}).Body)
				}
				if want.Verdict != trace.Pass {
					decided++
				}
			}
		}
	})
	if decided == 0 {
		t.Error("no packet was denied: the test says nothing")
	}
}

// skipsOnTheWayOut: rules that leave their chain unless a pair is in a set cost
// depth, each of them, and no policy needs one.
func skipsOnTheWayOut(rs rules.Ruleset) bool {
	for _, c := range rs.Chains {
		for _, r := range c.Rules {
			leaves := r.Verdict.Kind == rules.Return || r.Verdict.Kind == rules.Goto
			if leaves && slices.ContainsFunc(r.Match, func(m rules.Match) bool {
				in, ok := m.(rules.InSet)
				return ok && in.Not && len(in.Dims) == 2
			}) {
				return true
			}
		}
	}
	return false
}

// What policies compile to can be written without sets, and means the same.
func TestInlinePolicies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		rs, _ := compile.Compile(policytest.Policy(t), s)
		in := iptables.Inline(rs)
		if err := in.Validate(); err != nil {
			t.Fatalf("inline is invalid: %v", err)
		}
		sets, inline := trace.New(rs), trace.New(in)
		for range 10 {
			for _, way := range trace.Packets(s, policytest.Question(t, s)) {
				want, got := sets.Run(way.Packet, way.Base), inline.Run(way.Packet, way.Base)
				if want.Verdict != got.Verdict {
					t.Fatalf("%+v: with sets %s, inline %s", way.Packet, want.Verdict, got.Verdict)
				}
			}
		}
	})
}

// near are addresses and ports that dense sets and packets are drawn from.
func near(t *rapid.T, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, 0, byte(2 * rapid.IntRange(1, n).Draw(t, "host"))})
}

func nearPort(t *rapid.T) uint16 { return rapid.SampledFrom([]uint16{53, 80}).Draw(t, "port") }

func drawDense(t *rapid.T) rules.Ruleset {
	var sets []rules.Set
	for i, typ := range []rules.SetType{rules.HashNet, rules.HashNet, rules.HashNetPort, rules.HashNetPort} {
		s := rules.Set{Name: fmt.Sprint("s", i), Type: typ}
		for range rapid.IntRange(8, 24).Draw(t, "members") {
			m := rules.Member{Prefix: netip.PrefixFrom(near(t, 16), 32)}
			if typ == rules.HashNetPort {
				m.Proto, m.Port = netinfo.TCP, nearPort(t)
			}
			s.Members = append(s.Members, m)
		}
		s.Members = rules.SortMembers(s.Members)
		sets = append(sets, s)
	}
	rs := rules.Ruleset{Sets: sets, Hooks: []rules.Hook{{Base: rules.BaseInput, Chain: "DOCKWALL-A"}}}
	drop := rules.Rule{Verdict: rules.Verdict{Kind: rules.Drop}, Origin: rules.Origin{Subject: rules.Subject{Kind: "end"}}}
	for i, name := range []string{"DOCKWALL-A", "DOCKWALL-B"} {
		c := rules.Chain{Name: name}
		for line := range rapid.IntRange(1, 4).Draw(t, "rules") {
			c.Rules = append(c.Rules, denseRule(t, sets, i == 0, line+10*i))
		}
		if i == 0 {
			c.Rules = append(c.Rules, rules.Rule{Verdict: rules.Verdict{Kind: rules.Jump, Chain: "DOCKWALL-B"}})
		}
		rs.Chains = append(rs.Chains, rules.Chain{Name: name, Rules: append(c.Rules, drop)})
	}
	return rs
}

func denseRule(t *rapid.T, sets []rules.Set, jumps bool, line int) rules.Rule {
	r := rules.Rule{Origin: rules.Origin{Subject: rules.Subject{Kind: "dense"}, Line: line}}
	if rapid.IntRange(0, 4).Draw(t, "source") == 0 {
		r.Match = append(r.Match, rules.Source{Prefix: netip.PrefixFrom(near(t, 16), 29).Masked(), Not: rapid.Bool().Draw(t, "not")})
	}
	if rapid.IntRange(0, 4).Draw(t, "ports") == 0 {
		r.Match = append(r.Match, rules.Proto{Proto: netinfo.TCP}, rules.DestPort{Lo: 53, Hi: 79})
	}
	for range rapid.IntRange(1, 3).Draw(t, "lookups") {
		s := rapid.SampledFrom(sets).Draw(t, "set")
		side := rapid.SampledFrom([]rules.Dim{rules.Src, rules.Dst}).Draw(t, "side")
		r.Match = append(r.Match, rules.InSet{Set: s.Name, Dims: []rules.Dim{side, rules.Dst}[:s.Type.Dims()], Not: rapid.IntRange(0, 2).Draw(t, "not") == 0})
	}
	r.Verdict = rules.Verdict{Kind: rapid.SampledFrom(rules.PolicyVerdicts()).Draw(t, "verdict")}
	if r.Verdict.Kind == rules.Stamp {
		r.Verdict.Kind = rules.Log // INPUT reaches these
	}
	if r.Verdict.Kind == rules.Jump || r.Verdict.Kind == rules.Goto {
		r.Verdict.Chain = "DOCKWALL-B"
		if !jumps {
			r.Verdict = rules.Verdict{Kind: rules.Return}
		}
	}
	return r
}

func densePacket(t *rapid.T) trace.Packet {
	p := trace.Packet{In: "eth0", Src: near(t, 18), Dst: near(t, 18), Proto: netinfo.TCP, DstPort: nearPort(t)}
	p.Conn = trace.Conn{State: rules.StateNew, Original: true, OrigDst: p.Dst, OrigDstPort: p.DstPort}
	return p
}

// describe is the verdict, who decided, and what was logged on the way.
func describe(r trace.Result) string {
	s := fmt.Sprint(r.Verdict, " ", r.Reason)
	if r.Verdict != trace.Pass && r.Decided != nil {
		s += fmt.Sprint(" by ", r.Decided.Origin)
	}
	for _, step := range r.Steps {
		if step.Verdict.Kind == rules.Log && step.Outcome == trace.Hit {
			s += fmt.Sprint(" log ", step.Origin)
		}
	}
	return s
}

// withoutLimits leaves out what no single packet can tell.
func withoutLimits(rs rules.Ruleset) rules.Ruleset {
	for i := range rs.Chains {
		for j := range rs.Chains[i].Rules {
			r := &rs.Chains[i].Rules[j]
			r.Match = slices.DeleteFunc(slices.Clone(r.Match), func(m rules.Match) bool { _, ok := m.(rules.Limit); return ok })
			// Few conditions beside the lookups, so that packets get to them.
			if len(r.Match) > 4 {
				r.Match = slices.DeleteFunc(r.Match, func(m rules.Match) bool {
					switch m.(type) {
					case rules.InInterface, rules.OutInterface, rules.SourceMAC, rules.InBridgePort, rules.Conn:
						return true
					}
					return false
				})
			}
		}
	}
	return rs
}

func drawPacket(t *rapid.T) trace.Packet {
	addrs := []string{"10.0.0.1", "10.0.128.7", "172.17.0.2", "192.0.2.200", "203.0.113.9", "10.0.0.2"}
	if rapid.Bool().Draw(t, "v6") {
		addrs = []string{"2001:db8::1", "2001:db8:0:8000::7", "fd00::2", "fe80::1", "::1", "2001:db8::2"}
	}
	addr := func() netip.Addr { return netip.MustParseAddr(rapid.SampledFrom(addrs).Draw(t, "address")) }
	p := trace.Packet{In: rapid.SampledFrom(ruletest.Interfaces()).Draw(t, "in"), Out: "eth1", Src: addr(), Dst: addr(),
		Proto:   rapid.SampledFrom([]netinfo.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP, netinfo.ICMP}).Draw(t, "proto"),
		DstPort: rapid.SampledFrom([]uint16{0, 53, 80, 8080, 65535}).Draw(t, "port")}
	p.Syn = p.Proto == netinfo.TCP && rapid.Bool().Draw(t, "syn")
	p.Conn = trace.Conn{State: rules.StateNew, Original: true, OrigDst: p.Dst, OrigDstPort: p.DstPort}
	return p
}

// The rules grow with the sum of the members, not with their product.
func TestInlineGrowsWithTheSum(t *testing.T) {
	for _, kind := range rules.PolicyVerdicts() {
		count := func(n int) int {
			rs := twoSets(n, kind)
			total := 0
			for _, c := range iptables.Inline(rs).Chains {
				total += len(c.Rules)
			}
			return total
		}
		if small, large := count(100), count(200); large > 2*small+10 {
			t.Errorf("%s: %d rules for 2x100 members, %d for 2x200", kind, small, large)
		}
	}
}

// twoSets has one rule that asks two sets of n members each, and one more.
func twoSets(n int, kind rules.VerdictKind) rules.Ruleset {
	var src, dst []rules.Member
	for i := range n {
		src = append(src, rules.Member{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 1}), 32)})
		dst = append(dst, rules.Member{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, byte(i), 1}), 32)})
	}
	v := rules.Verdict{Kind: kind}
	if kind == rules.Jump || kind == rules.Goto {
		v.Chain = "DOCKWALL-B"
	}
	drop := rules.Rule{Verdict: rules.Verdict{Kind: rules.Drop}}
	return rules.Ruleset{Sets: []rules.Set{{Name: "a", Type: rules.HashNet, Members: src}, {Name: "b", Type: rules.HashNet, Members: dst}},
		Hooks: []rules.Hook{{Base: rules.BaseInput, Chain: "DOCKWALL-A"}},
		Chains: []rules.Chain{{Name: "DOCKWALL-A", Rules: []rules.Rule{{Match: []rules.Match{
			rules.InSet{Set: "a", Dims: []rules.Dim{rules.Src}}, rules.InSet{Set: "b", Dims: []rules.Dim{rules.Dst}}}, Verdict: v}, drop}},
			{Name: "DOCKWALL-B"}}}
}

// Chains of many leaving rules stay within the depth that nftables allows.
func TestInlineStaysShallow(t *testing.T) {
	one := twoSets(20, rules.Return)
	rs := one
	rs.Chains = []rules.Chain{{Name: "DOCKWALL-A"}}
	for range 50 {
		rs.Chains[0].Rules = append(rs.Chains[0].Rules, one.Chains[0].Rules[0])
	}
	in := iptables.Inline(rs)
	if err := in.Validate(); err != nil {
		t.Error(err)
	}
}
