package compile_test

import (
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

// TestEmptiedSetsOpenNothing has another program empty the sets, one of them or all
// at once (ipset flush), and asks again for packets that were refused. Lists of
// addresses in "block" and "except" are left out: an empty list cannot say what was on
// it, and the agent looks at those many times a second. So are forged sources.
func TestEmptiedSetsOpenNothing(t *testing.T) {
	moreChecks(t, 1000)
	refused, inHost := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s, p := policytest.Snapshot(t), policytest.Policy(t)
		p.Blocks = nil
		for _, b := range p.Published {
			b.Except = policy.AddressList{}
		}
		for _, b := range p.Direct {
			b.Except = policy.AddressList{}
		}
		for _, b := range p.Egress {
			b.Except = policy.AddressList{}
		}
		if p.DockerAPI != nil {
			p.DockerAPI.Except = policy.AddressList{}
		}
		rs, _ := compile.Compile(p, s)
		var emptied []rules.Ruleset
		for i := range rs.Sets {
			if len(rs.Sets[i].Members) > 0 {
				emptied = append(emptied, withoutMembers(rs, i))
			}
		}
		all := withoutMembers(rs, -1)
		before, after := trace.New(rs), trace.New(all)
		for range 10 {
			q := policytest.Question(t, s)
			for _, way := range trace.Packets(s, q) {
				was := before.Run(way.Packet, way.Base)
				if was.Verdict == trace.Pass || was.Decided != nil && was.Decided.Origin.Subject.Kind == policy.BySpoofed {
					continue
				}
				if was.Decided != nil && was.Decided.Origin.Subject.Kind == rules.KindQuarantine && way.Question.Expected {
					continue // an error about an established connection; the agent looks at that set often
				}
				refused++
				for _, one := range emptied {
					if got := trace.New(one).Run(way.Packet, way.Base); got.Verdict == trace.Pass {
						t.Fatalf("%+v passes once a set is empty:\n%s", way.Question, walk(got))
					}
				}
				got := after.Run(way.Packet, way.Base)
				if got.Verdict == trace.Pass && way.Base == rules.BaseInput {
					// It comes to docker-proxy, which cannot dial: see below.
					inHost++
					continue
				}
				if got.Verdict == trace.Pass {
					t.Fatalf("%+v passes once all sets are empty:\n%s", way.Question, walk(got))
				}
			}
		}
		for _, c := range s.Containers {
			for _, e := range c.Endpoints {
				for _, n := range s.Networks {
					if n.ID != e.NetworkID || n.Bridge == "" {
						continue
					}
					for _, a := range e.Addrs {
						dial := trace.Packet{In: "", Out: n.Bridge, Src: a, Dst: a, Proto: netinfo.TCP, DstPort: 80, Syn: true,
							Unknown: trace.FieldSrcPort, Conn: trace.Conn{State: rules.StateNew, Original: true, OrigDst: a, OrigDstPort: 80}}
						if got := after.Run(dial, rules.BaseOutput); got.Verdict == trace.Pass {
							t.Fatalf("docker-proxy dials %s once all sets are empty:\n%s", a, walk(got))
						}
					}
				}
			}
		}
	})
	if refused < 1000 || inHost == 0 {
		t.Errorf("%d refused packets and %d for docker-proxy show little", refused, inHost)
	}
}

// withoutMembers empties the set, or all of them.
func withoutMembers(rs rules.Ruleset, set int) rules.Ruleset {
	rs.Sets = slices.Clone(rs.Sets)
	for i := range rs.Sets {
		if i == set || set < 0 {
			rs.Sets[i].Members = nil
		}
	}
	return rs
}

// TestEmptiedSetsLockNobodyOut empties all sets, as they are at boot between the loading
// of saved rules and the first pass, and asks for packets from outside to the host's sshd,
// of which no policy speaks.
func TestEmptiedSetsLockNobodyOut(t *testing.T) {
	reached := 0
	rapid.Check(t, func(t *rapid.T) {
		s, p := policytest.Snapshot(t), policytest.Policy(t)
		rs, _ := compile.Compile(p, s)
		before, after := trace.New(rs), trace.New(withoutMembers(rs, -1))
		for range 10 {
			q := policytest.Question(t, s)
			q.Port, q.Proto = 22, netinfo.TCP
			for _, way := range trace.Packets(s, q) {
				inside := slices.ContainsFunc(s.Networks, func(n netinfo.Network) bool { return n.Bridge == way.Packet.In })
				if way.Base != rules.BaseInput || inside || before.Run(way.Packet, way.Base).Verdict != trace.Pass {
					continue
				}
				reached++
				if got := after.Run(way.Packet, way.Base); got.Verdict != trace.Pass {
					t.Fatalf("%+v is refused once all sets are empty:\n%s", way.Question, walk(got))
				}
			}
		}
	})
	if reached < 100 {
		t.Errorf("%d packets that reached the host show little", reached)
	}
}
