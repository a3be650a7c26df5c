package iptables_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
	"dockwall/rules/ruletest"
	"dockwall/rules/trace"
)

// TestSourcesMeetNoMixture changes routes behind containers, and the host's addresses,
// and judges packets between any two edits of a member: each gets the verdict of the old
// ruleset or of the new one. A VPN's client must not be refused because its prefix is
// claimed already, and not let in by its bridge yet.
func TestSourcesMeetNoMixture(t *testing.T) {
	edits := 0
	rapid.Check(t, func(t *rapid.T) {
		o := iptables.Options{Variant: rapid.SampledFrom([]iptables.Variant{iptables.NFT, iptables.Legacy}).Draw(t, "variant"), Guard: true}
		k := ruletest.NewKernel(o.Variant)
		// Sets are sorted by their names, and any may be the first.
		claimed := rapid.SampledFrom([]string{"m-a", "m-n", "m-z"}).Draw(t, "claimed")
		apply(t, k, early(drawRouted(t), claimed), o)
		p := iptables.Diff(early(drawRouted(t), claimed), state(t, k), o)
		was := verdicts(t, k)
		end := k.Clone()
		if err := end.RunAll(all(p)); err != nil {
			t.Fatal(err)
		}
		now := verdicts(t, end)
		check := func(host *ruletest.Kernel, s plan.Step) {
			for i, got := range verdicts(t, host) {
				if got != was[i] && got != now[i] {
					t.Fatalf("%+v gets %s, before %s, in the end %s, after %q %+v of\n%s", strays()[i], got, was[i], now[i], s.Why, s.Action, p)
				}
			}
		}
		run := func(host *ruletest.Kernel, steps []plan.Step) {
			for _, s := range steps {
				for _, one := range single(s) {
					if err := host.Run(one); err != nil && !s.MayFail {
						t.Fatal(err)
					}
					edits++
					check(host, one)
				}
			}
		}
		steps := all(p)
		run(k, steps[:rapid.IntRange(0, len(steps)).Draw(t, "stop")])
		run(k.Clone(), p.Rollback)
	})
	if edits < 1000 {
		t.Errorf("only %d edits: the test says nothing", edits)
	}
}

// early is what is compiled for PREROUTING, with another name for the set of the sources
// that are refused where they cannot come from.
func early(s netinfo.Snapshot, claimed string) rules.Ruleset {
	rs, _ := compile.Compile(policy.Policy{}, s)
	rs.Hooks = []rules.Hook{{Base: rules.BasePrerouting, Chain: compile.ClaimingChain}}
	in := rs.Reached(compile.ClaimingChain)
	rs.Chains = slices.DeleteFunc(rs.Chains, func(c rules.Chain) bool { return !in[c.Name] })
	rs.Sets = slices.DeleteFunc(rs.Sets, func(s rules.Set) bool { return !rules.IsFramingSet(s.Name) })
	for i := range rs.Sets {
		if rs.Sets[i].Name == compile.ClaimedSet() {
			rs.Sets[i].Name = claimed
		}
	}
	for _, c := range rs.Chains {
		for _, r := range c.Rules {
			for i, m := range r.Match {
				if in, ok := m.(rules.InSet); ok && in.Set == compile.ClaimedSet() {
					in.Set = claimed
					r.Match[i] = in
				}
			}
		}
	}
	return rs
}

// drawRouted draws a host with two networks, routes behind containers on them and
// elsewhere, and addresses of its own.
func drawRouted(t *rapid.T) netinfo.Snapshot {
	prefix := netip.MustParsePrefix
	s := netinfo.Snapshot{Networks: []netinfo.Network{
		{ID: "a", Name: "a", Driver: "bridge", Bridge: "br-aaaaaaaaaaaa", Subnets: []netip.Prefix{prefix("172.18.0.0/24"), prefix("fd18::/64")}},
		{ID: "b", Name: "b", Driver: "bridge", Bridge: "br-bbbbbbbbbbbb", Subnets: []netip.Prefix{prefix("172.19.0.0/24")}},
	}}
	nic := netinfo.Link{Index: 2, Name: "eth0", Addrs: []netip.Prefix{prefix("192.0.2.1/24")}}
	for _, own := range []string{"203.0.113.7/24", "203.0.113.8/30", "2001:db8::7/64"} {
		if rapid.Bool().Draw(t, own) {
			nic.Addrs = append(nic.Addrs, prefix(own))
		}
	}
	s.Links = []netinfo.Link{nic, {Index: 3, Name: "eth1"},
		{Index: 4, Name: "br-aaaaaaaaaaaa", Kind: "bridge", Addrs: []netip.Prefix{prefix("172.18.0.1/24"), prefix("fd18::1/64")}},
		{Index: 5, Name: "br-bbbbbbbbbbbb", Kind: "bridge", Addrs: []netip.Prefix{prefix("172.19.0.1/24")}}}
	for _, behind := range []string{"10.8.0.0/24", "10.9.0.0/24", "fd08::/64"} {
		at := rapid.SampledFrom([]string{"", "br-aaaaaaaaaaaa", "br-bbbbbbbbbbbb"}).Draw(t, behind)
		if at == "" {
			continue
		}
		s.Routes = append(s.Routes, netinfo.Route{Prefix: prefix(behind), Link: at})
		if rapid.Bool().Draw(t, "and elsewhere") {
			s.OtherRoutes = append(s.OtherRoutes, netinfo.Route{Prefix: prefix(behind), Link: "eth1"})
		}
	}
	return s
}

// strays are packets from sources that some of the drawn hosts claim.
func strays() []trace.Packet {
	var all []trace.Packet
	for _, in := range []string{"eth0", "eth1", "br-aaaaaaaaaaaa", "br-bbbbbbbbbbbb"} {
		for _, way := range [][2]string{
			{"10.8.0.5", "198.51.100.9"}, {"10.9.0.5", "198.51.100.9"}, {"172.18.0.2", "198.51.100.9"}, {"fd08::5", "2001:db8:1::9"},
			{"203.0.113.7", "224.0.0.251"}, {"203.0.113.8", "203.0.113.11"}, {"203.0.113.7", "203.0.113.255"},
			{"203.0.113.7", "198.51.100.9"}, {"2001:db8::7", "ff02::fb"}, {"198.51.100.9", "192.0.2.1"},
		} {
			all = append(all, trace.Packet{In: in, Src: netip.MustParseAddr(way[0]), Dst: netip.MustParseAddr(way[1]), Proto: netinfo.UDP,
				SrcPort: 4000, DstPort: 53, Conn: trace.Conn{State: rules.StateNew}})
		}
	}
	return all
}

// verdicts are what PREROUTING says of each of the strays.
func verdicts(t *rapid.T, k *ruletest.Kernel) []trace.Verdict {
	t.Helper()
	s := state(t, k)
	machines := map[bool]*trace.Machine{true: trace.New(inKernel(t, 4, s.V4, "raw", s.Sets)), false: trace.New(inKernel(t, 6, s.V6, "raw", s.Sets))}
	var out []trace.Verdict
	for _, p := range strays() {
		out = append(out, machines[p.Src.Is4()].Verdict(p, rules.BasePrerouting).Verdict)
	}
	return out
}

// single splits a step that edits sets into one step for each member.
func single(s plan.Step) []plan.Step {
	edit, ok := s.Action.(plan.EditSets)
	if !ok {
		return []plan.Step{s}
	}
	var out []plan.Step
	for _, op := range edit.Ops {
		ops := []plan.SetOp{op}
		if len(op.Members) > 0 {
			ops = nil
			for _, m := range op.Members {
				one := op
				one.Members = []rules.Member{m}
				ops = append(ops, one)
			}
		}
		for _, one := range ops {
			out = append(out, plan.Step{Action: plan.EditSets{Exist: edit.Exist, Ops: []plan.SetOp{one}}, Why: s.Why, MayFail: s.MayFail})
		}
	}
	return out
}
