package nftables_test

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/nftables"
	"dockwall/rules/compile"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/ruletest"
	"dockwall/rules/trace"
)

// A compiled policy is read back whole, and written again it is the same table: nothing of it
// is beyond the reader.
func TestPoliciesAreReadBack(t *testing.T) {
	decided := 0
	rapid.Check(t, func(t *rapid.T) {
		s, p := policytest.Snapshot(t), policytest.Policy(t)
		rs, _ := compile.Compile(p, s)
		k := &ruletest.NFT{}
		_, state := apply(t, k, rs, nftables.State{})
		back, unread := nftables.Backend{}.Ruleset(k.State())
		if unread > 0 {
			t.Fatalf("%d lines are not read back:\n%s", unread, print(k.Table))
		}
		// A rule is read back as one for each family where an exception has members of
		// one family alone: the line of the other does without it.
		if got, want := count(back), count(written(rs, state)); got < want || got > 2*want {
			t.Fatalf("%d rules became %d:\n%s", want, got, print(k.Table))
		}
		for i, c := range back.Chains {
			want, ok := rs.Chain(c.Name)
			if !ok {
				t.Fatalf("chain %s is not the ruleset's", c.Name)
			}
			for _, r := range c.Rules {
				if r.Origin.Subject.String() == "" {
					t.Fatalf("chain %d: a rule without a block: %+v", i, r)
				}
				if !slices.ContainsFunc(want.Rules, func(w rules.Rule) bool { return w.Verdict == r.Verdict && w.Origin.Line == r.Origin.Line }) {
					t.Fatalf("chain %s has no such rule: %+v", c.Name, r)
				}
			}
		}
		back = back.Without(rules.Log)
		model, again := trace.New(rs), trace.New(back)
		for range 10 {
			q := policytest.Question(t, s)
			for _, way := range trace.Packets(s, q) {
				want, got := model.Verdict(way.Packet, way.Base), again.Verdict(way.Packet, way.Base)
				if got.Verdict != want.Verdict {
					t.Fatalf("%s of %+v: %s when read back, want %s", way.Base, way.Packet, got.Verdict, want.Verdict)
				}
				decided++
				known := way.Packet
				known.Unknown = 0
				if want := meets(model, known, way.Base); len(known.SrcMAC) > 0 {
					got := k.Walk(known, hooked[way.Base])
					if got.Dropped != want.Dropped {
						t.Fatalf("%s of %+v: %+v in the table, want %+v", way.Base, known, got, want)
					}
				}
			}
		}
	})
	if decided == 0 {
		t.Error("no packet was decided: this shows nothing")
	}
}

func count(rs rules.Ruleset) (n int) {
	for _, c := range rs.Chains {
		n += len(c.Rules)
	}
	return n
}

// written is the ruleset without the chains and the rules that are not written: those of the
// guard, and those that never hold.
func written(rs rules.Ruleset, s nftables.State) rules.Ruleset {
	out := rules.Ruleset{}
	for _, c := range s.Table.Chains {
		from, ok := rs.Chain(c.Name)
		if !ok {
			continue
		}
		ids := map[string]bool{}
		for _, r := range c.Rules {
			counter, _ := nftables.CounterOf(c.Name, r)
			ids[counter.ID] = true
		}
		kept := rules.Chain{Name: c.Name}
		for _, r := range from.Rules {
			if ids[r.ID()] {
				kept.Rules = append(kept.Rules, r)
			}
		}
		out.Chains = append(out.Chains, kept)
	}
	return out
}

// What Move plans leads to where Diff would have led, foretells the state, and its rollback
// leads back from everywhere.
func TestMoveIsDiff(t *testing.T) {
	var pool []rules.Member
	for _, a := range []string{"10.0.0.1/32", "10.0.0.2/32", "10.0.0.3/32", "0.0.0.0/0", "2001:db8::1/128", "2001:db8::2/128", "::/0"} {
		pool = append(pool, rules.Member{Prefix: netip.MustParsePrefix(a), Proto: netinfo.TCP, Port: 80})
	}
	some := rapid.Custom(func(t *rapid.T) []rules.Member {
		var ms []rules.Member
		for _, m := range pool {
			if rapid.Bool().Draw(t, "in") {
				ms = append(ms, m)
			}
		}
		return rules.SortMembers(ms)
	})
	settled := 0
	rapid.Check(t, func(t *rapid.T) {
		web := rules.Set{Name: "web", Type: rules.HashNetPort, InPlace: true, Members: some.Draw(t, "before"), Origin: rules.Origin{Subject: rules.ParseSubject("published.web")}}
		shut := rules.Set{Name: "shut", Type: rules.HashNetPort, InPlace: true, Members: some.Draw(t, "shut before"), Origin: rules.Origin{Subject: rules.ParseSubject("published")}}
		web.After = "shut"
		of := func() rules.Ruleset {
			return rules.Ruleset{Sets: []rules.Set{shut, web}, Chains: []rules.Chain{{Name: "A", Rules: []rules.Rule{
				{Match: []rules.Match{rules.InSet{Set: "web", Dims: []rules.Dim{rules.Dst, rules.Dst}}}, Verdict: rules.Verdict{Kind: rules.Return}},
				{Match: []rules.Match{rules.InSet{Set: "shut", Dims: []rules.Dim{rules.Dst, rules.Dst}}}, Verdict: rules.Verdict{Kind: rules.Drop}}}}},
				Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "A"}}}
		}
		k := &ruletest.NFT{}
		_, state := apply(t, k, of(), nftables.State{})
		before := k.Clone()
		var moves []rules.Move
		for _, s := range []*rules.Set{&shut, &web} {
			old := s.Members
			s.Members = some.Draw(t, "after")
			moves = append(moves, rules.Move{Set: s.Name, Gone: lacks(old, s.Members), Come: lacks(s.Members, old), After: s.After})
		}
		p, ok := nftables.Backend{}.Move(moves, state)
		if !ok {
			t.Fatal("it does not move")
		}
		if p.Settles() {
			settled++
		}
		if p.Settles() != (len(moves[0].Come) > 0 && len(moves[1].Come) > 0) {
			t.Fatalf("it settles: %v\n%+v", p.Settles(), moves)
		}
		steps := slices.Collect(p.Forward())
		for stop := range len(steps) + 1 {
			k := before.Clone()
			if err := k.RunAll(steps[:stop]); err != nil {
				t.Fatal(err)
			}
			if err := k.RunAll(p.Rollback); err != nil {
				t.Fatal(err)
			}
			same(t, "going back (-before +after)", before.State().Table, k.State().Table)
		}
		if err := k.RunAll(steps); err != nil {
			t.Fatal(err)
		}
		same(t, "-kernel +foretold", k.State().Table, state.Table)
		if rest, _ := (nftables.Backend{}).Diff(of(), k.State()); !rest.Empty() {
			t.Fatalf("not settled: %+v", rest)
		}
		if _, ok := (nftables.Backend{}).Move([]rules.Move{{Set: "web", Come: []rules.Member{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Proto: netinfo.TCP, Port: 1}}}}, state); ok {
			t.Fatal("a member of a new length is moved, though no rule looks for it")
		}
		if _, ok := (nftables.Backend{}).Move([]rules.Move{{Set: "db"}}, state); ok {
			t.Fatal("a set that is not there is moved")
		}
	})
	if settled == 0 {
		t.Error("none ever waited")
	}
}

func lacks(ms, others []rules.Member) []rules.Member {
	return slices.DeleteFunc(slices.Clone(ms), func(m rules.Member) bool { return slices.Contains(others, m) })
}
