package nftables_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/nftables"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"
	"dockwall/rules/trace"
)

// writable is the ruleset without the match that nf_tables has not got.
func writable(rs rules.Ruleset) rules.Ruleset {
	return without(rs, func(m rules.Match) bool { _, ok := m.(rules.InBridgePort); return ok })
}

func without(rs rules.Ruleset, drop func(rules.Match) bool) rules.Ruleset {
	rs.Chains = slices.Clone(rs.Chains)
	for i, c := range rs.Chains {
		rs.Chains[i].Rules = slices.Clone(c.Rules)
		for j, r := range c.Rules {
			rs.Chains[i].Rules[j].Match = slices.DeleteFunc(slices.Clone(r.Match), drop)
		}
	}
	return rs
}

type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

// apply writes the ruleset, and returns the state that Diff foretold.
func apply(t tester, k *ruletest.NFT, rs rules.Ruleset, have nftables.State) (plan.Plan, nftables.State) {
	t.Helper()
	if err := (nftables.Backend{}).Check(rs); err != nil {
		t.Fatalf("%v", err)
	}
	p, next := nftables.Backend{}.Diff(rs, have)
	if err := k.RunAll(slices.Collect(p.Forward())); err != nil {
		t.Fatalf("%v\n%+v", err, p.Steps)
	}
	return p, next.(nftables.State)
}

func same(t tester, what string, want, got *nft.Table) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s:\n%s", what, d)
	}
}

// A run leaves nothing to do, whether the kernel is read again or believed, and Diff foretold
// what it holds then. Rollback leads back from before and from after each step.
func TestDiffSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := &ruletest.NFT{}
		rs := writable(ruletest.Rulesets().Draw(t, "ruleset"))
		var have nftables.State
		for range 3 {
			before := k.Clone()
			p, next := apply(t, k, rs, have)
			same(t, "-kernel +foretold", k.State().Table, next.Table)
			for _, s := range []nftables.State{k.State(), next} {
				if p, _ := (nftables.Backend{}).Diff(rs, s); !p.Empty() {
					t.Fatalf("not settled: %+v", p)
				}
			}
			if err := (nftables.Backend{}).Check(rs); err != nil {
				t.Fatal(err)
			}
			steps := slices.Collect(p.Forward())
			for stop := range len(steps) + 1 {
				k := before.Clone()
				if err := k.RunAll(steps[:stop]); err != nil {
					t.Fatal(err)
				}
				if err := k.RunAll(p.Rollback); err != nil {
					t.Fatalf("back from step %d: %v", stop, err)
				}
				same(t, "going back (-before +after)", before.State().Table, k.State().Table)
			}
			have = next
			if rapid.Bool().Draw(t, "read again") {
				have = k.State()
			}
			rs = writable(ruletest.Edited(rs).Draw(t, "edited"))
		}
		p := nftables.Remove(k.State())
		if err := k.RunAll(slices.Collect(p.Forward())); err != nil || k.Table != nil {
			t.Fatalf("something is left: %v %+v", err, k.Table)
		}
		if p := nftables.Remove(k.State()); !p.Empty() {
			t.Fatal("a second Remove has something to do")
		}
	})
}

func sample[T any](t *rapid.T, what string, of ...T) T { return rapid.SampledFrom(of).Draw(t, what) }

// packets meet the addresses, ports and interfaces that ruletest draws from.
func packet(t *rapid.T, out bool) trace.Packet {
	p := trace.Packet{In: sample(t, "in", ruletest.Interfaces()...), SrcMAC: sample(t, "mac", "02:42:ac:11:00:0a", "02:42:ac:11:00:0b", "02:00:00:00:00:01"),
		DstPort: sample[uint16](t, "port", 0, 53, 80, 8080, 8050, 65535, 99), Syn: rapid.Bool().Draw(t, "syn"),
		ICMPType: sample[uint8](t, "type", 0, 3, 5, 8, 128, 134, 135, 254, 77)}
	if out {
		p.Out = sample(t, "out", ruletest.Interfaces()...)
	}
	four := []string{"10.0.0.1", "10.0.128.7", "10.0.0.2", "10.9.0.1", "172.17.0.2", "192.0.2.200", "192.0.2.7", "203.0.113.9", "130.0.0.1"}
	six := []string{"2001:db8::1", "2001:db8:0:8000::7", "2001:db8:0:1::7", "fd00::2", "fe80::1", "::1", "2001:db9::1", "8000::1"}
	from, protos := four, []rules.Protocol{netinfo.TCP, netinfo.UDP, netinfo.SCTP, netinfo.ICMP, netinfo.ESP, 59}
	if rapid.Bool().Draw(t, "v6") {
		from, protos[3] = six, netinfo.ICMPv6
	}
	p.Src, p.Dst = netip.MustParseAddr(sample(t, "src", from...)), netip.MustParseAddr(sample(t, "dst", from...))
	p.Proto = sample(t, "proto", protos...)
	p.Syn = p.Syn && p.Proto == netinfo.TCP
	p.Conn = trace.Conn{State: sample(t, "state", rules.StateNew, rules.StateRelated, rules.StateEstablished, rules.StateInvalid, rules.StateUntracked),
		DNAT: rapid.Bool().Draw(t, "dnat"), Original: rapid.Bool().Draw(t, "original"), OrigDstPort: sample[uint16](t, "original port", 0, 53, 80, 8080, 65535, 99)}
	return p
}

// meets is what a packet meets by the ruleset.
func meets(m *trace.Machine, p trace.Packet, base rules.Base) ruletest.Seen {
	r := m.Run(p, base)
	s := ruletest.Seen{Dropped: r.Verdict == trace.Drop || r.Verdict == trace.Reject}
	for _, step := range r.Steps {
		if step.Outcome != trace.Hit {
			continue
		}
		switch step.Rule.Verdict.Kind {
		case rules.Log:
			s.Logs++
		case rules.Stamp:
			s.Stamps++
		}
	}
	return s
}

var hooked = map[rules.Base]nft.Point{rules.BaseDockerUser: nft.Forward, rules.BaseInput: nft.Input}

// A packet meets the same verdict, and the same reports, in the ruleset, in the table, and in
// the ruleset that is read back from the table. (A limit is left out: what it lets through
// no walk can tell.)
func TestVerdictsAreTheRulesets(t *testing.T) {
	dropped, logged, unread, checked := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		rs := writable(ruletest.Rulesets().Draw(t, "ruleset"))
		rs = without(rs, func(m rules.Match) bool { _, ok := m.(rules.Limit); return ok })
		if rapid.Bool().Draw(t, "edited first") {
			rs = writable(ruletest.Edited(rs).Draw(t, "edited"))
			rs = without(rs, func(m rules.Match) bool { _, ok := m.(rules.Limit); return ok })
		}
		k := &ruletest.NFT{}
		_, state := apply(t, k, rs, nftables.State{})
		again, foreign := nftables.Backend{}.Ruleset(k.State())
		if err := again.Validate(); err != nil {
			t.Fatalf("read back: %v", err)
		}
		if foreign > 0 {
			unread++
		}
		checked++
		model, back := trace.New(rs), trace.New(again)
		if p, _ := (nftables.Backend{}).Diff(rs, state); !p.Empty() {
			t.Fatal("not settled")
		}
		for range 20 {
			for base, point := range hooked {
				p := packet(t, base == rules.BaseDockerUser)
				want := meets(model, p, base)
				if got := k.Walk(p, point); got != want {
					t.Fatalf("%s of %+v: %+v in the table, want %+v\n%+v\n%s", base, p, got, want, rs, print(k.Table))
				}
				if got := meets(back, p, base); foreign == 0 && got != want {
					t.Fatalf("%s of %+v: %+v when read back, want %+v\n%+v\n%+v\n%s", base, p, got, want, rs, again, print(k.Table))
				}
				if want.Dropped {
					dropped++
				}
				logged += want.Logs
			}
		}
	})
	// Only lines of packets without ports, among several lookups, are more than is read back.
	if dropped == 0 || logged == 0 || unread*10 > checked {
		t.Errorf("%d dropped, %d logged: this shows little; %d of %d rulesets were not read back", dropped, logged, unread, checked)
	}
}

func print(t *nft.Table) string {
	var out string
	for _, c := range t.Chains {
		out += "chain " + c.Name + "\n"
		for _, r := range c.Rules {
			out += "\t" + r.String() + "  # " + r.Comment + "\n"
		}
	}
	return out
}
