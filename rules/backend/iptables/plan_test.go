package iptables_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// tester is a test, rapid's or not.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func state(t tester, k *ruletest.Kernel) iptables.State {
	t.Helper()
	s, err := k.State()
	if err != nil {
		t.Fatalf("reading the kernel: %v", err)
	}
	return s
}

func all(p plan.Plan) []plan.Step { return slices.Collect(p.Forward()) }

func apply(t tester, k *ruletest.Kernel, rs rules.Ruleset, o iptables.Options) plan.Plan {
	t.Helper()
	p := iptables.Diff(rs, state(t, k), o)
	if err := k.RunAll(all(p)); err != nil {
		t.Fatalf("%v\n%s%s%s", err, k.Save(4), k.SaveSets(), p)
	}
	return p
}

// A complete run leaves nothing to do, and Advance foretold it.
func TestDiffSettles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, o, _ := drawHost(t)
		rs := ruletest.Rulesets().Draw(t, "ruleset")
		for range 2 {
			before := state(t, k)
			apply(t, k, rs, o)
			after := state(t, k)
			if p := iptables.Diff(rs, after, o); !p.Empty() {
				t.Fatalf("not settled:\n%s%v\n%s", p, p.Changes, k.Save(4))
			}
			if d := cmp.Diff(after, iptables.Advance(before, rs, o), opts()...); d != "" {
				t.Fatalf("Advance (-kernel +foretold):\n%s", d)
			}
			rs = ruletest.Edited(rs).Draw(t, "edited")
		}
	})
}

func opts() []cmp.Option {
	return []cmp.Option{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b rules.Member) bool { return a == b }),
		cmpopts.SortSlices(func(a, b iptables.Table) bool { return a.Name < b.Name })}
}

// After every prefix of steps each family holds the old rules or the new ones,
// whole, and what is others' is as it was.
func TestPrefixesAreWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, o, _ := drawHost(t)
		rs := ruletest.Rulesets().Draw(t, "ruleset")
		apply(t, k, rs, o)
		next := ruletest.Edited(rs).Draw(t, "edited")
		p := iptables.Diff(next, state(t, k), o)
		old := [2]string{ours(state(t, k).V4), ours(state(t, k).V6)}
		others := [2]string{foreign(state(t, k).V4), foreign(state(t, k).V6)}
		end := k.Clone()
		if err := end.RunAll(all(p)); err != nil {
			t.Fatal(err)
		}
		want := [2]string{ours(state(t, end).V4), ours(state(t, end).V6)}
		whole := func(k *ruletest.Kernel, after int) {
			s := state(t, k)
			for f, got := range [2]string{ours(s.V4), ours(s.V6)} {
				if got != old[f] && got != want[f] {
					t.Fatalf("after step %d of\n%s\nneither old nor new:\n%s", after, p, got)
				}
			}
			if got := [2]string{foreign(s.V4), foreign(s.V6)}; got != others {
				t.Fatalf("others' rules changed (-before +after):\n%s", cmp.Diff(others, got))
			}
		}
		steps := all(p)
		for i, step := range steps {
			if i+1 < len(steps) && steps[i+1].Beside {
				first := k.Clone()
				if err := first.Run(steps[i+1]); err != nil {
					t.Fatalf("step %d before step %d: %v", i+1, i, err)
				}
				whole(first, i+1)
			}
			if err := k.Run(step); err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			whole(k, i)
		}
	})
}

// ours is our part of the filter table; the guard is only a repetition.
func ours(tables []iptables.Table) string { return part(tables, true) }

func foreign(tables []iptables.Table) string { return part(tables, false) }

func part(tables []iptables.Table, mine bool) string {
	var b strings.Builder
	for _, t := range tables {
		if mine && t.Name != "filter" {
			continue
		}
		for _, c := range t.Chains {
			inOurs := strings.HasPrefix(c.Name, "DOCKWALL-")
			for _, r := range c.Rules {
				jump := strings.Contains(r, "--comment \"dockwall:jump")
				if (inOurs || jump) == mine {
					fmt.Fprintf(&b, "%s %s %s\n", t.Name, c.Name, r)
				}
			}
		}
	}
	return b.String()
}

// When only members differ no rule is touched.
func TestMembersOnly(t *testing.T) {
	set := rules.Set{Name: "web", Type: rules.HashNet, InPlace: true}
	set.Members = members("10.0.0.1/32", "10.0.0.2/32")
	rs := rules.Ruleset{Sets: []rules.Set{set}, Chains: []rules.Chain{{Name: "DOCKWALL-F", Rules: []rules.Rule{
		{Match: []rules.Match{rules.InSet{Set: "web", Dims: []rules.Dim{rules.Dst}}}, Verdict: rules.Verdict{Kind: rules.Drop}}}}},
		Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-F"}}}
	rapid.Check(t, func(t *rapid.T) {
		k := ruletest.NewKernel(iptables.NFT)
		o := iptables.Options{Variant: iptables.NFT}
		apply(t, k, rs, o)
		next := rs
		next.Sets = []rules.Set{set}
		next.Sets[0].Members = members("10.0.0.2/32", "10.0.0.3/32")
		p := apply(t, k, next, o)
		for _, s := range append(all(p), p.Rollback...) {
			if _, ok := s.Action.(plan.EditSets); !ok {
				t.Fatalf("a rule is touched:\n%s", p)
			}
		}
		text := func(i int) string { return p.Steps[i].Action.(plan.EditSets).Script().Body }
		if len(p.Steps) != 2 || text(0) != "del dockwall4-web 10.0.0.1\n" || text(1) != "add dockwall4-web 10.0.0.3\n" {
			t.Fatalf("want a removal, then an addition:\n%s", p)
		}
	})
}
