package iptables_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/ruletest"
)

var _ backend.Backend = iptables.Backend{}

// The state that Diff returns is the one that is read after its plan; then nothing
// differs, and the state stays what it is.
func TestDiffReturnsTheStateAfterItsPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, o, _ := drawHost(t)
		var b backend.Backend = iptables.New(o)
		types := map[string]rules.SetType{}
		for _, label := range []string{"first", "second"} {
			rs := ruletest.Rulesets().Draw(t, label)
			clash := false // see Diff: it takes a second plan
			for _, s := range rs.Sets {
				clash = clash || types[s.Name] != "" && types[s.Name] != s.Type
				types[s.Name] = s.Type
			}
			p, next := b.Diff(rs, state(t, k))
			if err := k.RunAll(all(p)); err != nil {
				t.Fatalf("%v\n%s", err, p)
			}
			if d := cmp.Diff(state(t, k), next, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b rules.Member) bool { return a == b })); d != "" {
				t.Fatalf("%s (-read +returned):\n%s", label, d)
			}
			rest, same := b.Diff(rs, next)
			if clash {
				if err := k.RunAll(all(rest)); err != nil {
					t.Fatalf("%v\n%s", err, rest)
				}
				next = state(t, k)
				rest, same = b.Diff(rs, next)
			}
			if !rest.Empty() {
				t.Fatalf("%s: there is a rest:\n%s", label, rest)
			}
			if d := cmp.Diff(next, same, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b rules.Member) bool { return a == b })); d != "" {
				t.Fatalf("%s: an empty plan changes the state:\n%s", label, d)
			}
		}
	})
}

func TestBackendsCompare(t *testing.T) {
	var a, b backend.Backend = iptables.New(iptables.Options{Variant: iptables.NFT, Guard: true}), iptables.New(iptables.Options{Variant: iptables.NFT, Guard: true})
	inline := iptables.New(iptables.Options{Variant: iptables.NFT, Inline: true})
	if a != b || a == backend.Backend(inline) {
		t.Error("backends with equal options are not equal, or others are")
	}
	if a.Name() != "iptables-nft" || a.Limits() != (backend.Limits{}) || a.Limits().SetsWord() != "ipset" {
		t.Errorf("%s: %+v", a.Name(), a.Limits())
	}
	if inline.Limits() != (backend.Limits{Inline: true, Unguarded: true}) || inline.Limits().SetsWord() != "inline" {
		t.Errorf("inline: %+v", inline.Limits())
	}
	if _, ok := inline.Move(nil, nil); ok {
		t.Error("there are no sets, and members of them move")
	}
}

type strangeState struct{}

func (strangeState) Backend() string { return "strange" }

func TestStatesOfOtherBackends(t *testing.T) {
	b := iptables.New(iptables.Options{Variant: iptables.NFT})
	if p, _ := b.Diff(rules.Ruleset{}, nil); !p.Empty() {
		t.Errorf("without a state and without rules there is a plan:\n%s", p)
	}
	defer func() {
		if recover() == nil {
			t.Error("a state of another backend is taken for its own")
		}
	}()
	b.Diff(rules.Ruleset{}, strangeState{})
}

// A look at some sets names their kernel sets of both families, and no others.
func TestSetsOfAState(t *testing.T) {
	st := iptables.State{Variant: iptables.Legacy, V4: []iptables.Table{{Name: "filter"}}, Sets: []iptables.SetState{
		{Name: "dockwall4-a"}, {Name: "dockwall4-b"}, {Name: "dockwall4-c"}, {Name: "dockwall6-a"}, {Name: "dockwall6-b"}}}
	b := iptables.New(iptables.Options{Variant: iptables.Legacy})
	want := iptables.State{Variant: iptables.NFT, Sets: []iptables.SetState{{Name: "dockwall4-a"}, {Name: "dockwall4-c"}, {Name: "dockwall6-a"}}}
	if d := cmp.Diff(want, b.Sets(st, []string{"a", "c"}, 9)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := b.Sets(st, []string{"a", "c"}, 2).(iptables.State); len(got.Sets) != 2 {
		t.Errorf("of at most 2 sets there are %d", len(got.Sets))
	}
}

// What was written is read back with its sets, chains and verdicts; rules of other
// programs are counted.
func TestRulesetIsReadBack(t *testing.T) {
	set := rules.Set{Name: "web", Type: rules.HashNet, Members: members("0.0.0.0/0", "2001:db8::/32")}
	rs := lookup(set)
	k := ruletest.NewKernel(iptables.NFT)
	o := iptables.Options{Variant: iptables.NFT, Guard: true}
	apply(t, k, rs, o)
	got, unread := iptables.New(o).Ruleset(state(t, k))
	if unread != 0 || len(got.Sets) != 1 || !cmp.Equal(got.Sets[0].Members, set.Members, cmp.Comparer(func(a, b rules.Member) bool { return a == b })) {
		t.Errorf("unread %d, sets %v", unread, got.Sets)
	}
	foreign := iptables.State{V4: []iptables.Table{{Name: "filter", Chains: []iptables.Chain{
		{Name: "INPUT", Policy: "ACCEPT", Rules: []string{`-m comment --comment "dockwall:jump" -j DOCKWALL-INPUT`}},
		{Name: "DOCKWALL-INPUT", Policy: "-", Rules: []string{"-p icmp -j DROP",
			`-m set --match-set dockwall4-gone src -m comment --comment "dockwall:aaaaa x" -j DROP`}}}}}}
	if _, unread := iptables.New(o).Ruleset(foreign); unread != 2 {
		t.Errorf("%d rules are unread, want 2: another program's, and one whose set is missing", unread)
	}
}

func TestTexts(t *testing.T) {
	rs := lookup(rules.Set{Name: "web", Type: rules.HashNet, Members: members("10.0.0.0/8")})
	o := iptables.Options{Variant: iptables.NFT, Guard: true}
	for i, f := range []iptables.Family{iptables.V4, iptables.V6} {
		tool := map[iptables.Family]string{iptables.V4: "iptables-restore --noflush", iptables.V6: "ip6tables-restore --noflush"}[f]
		want := backend.Text{Family: int(f), Rules: iptables.Render(rs, f, o).Body, RulesTool: tool, Sets: iptables.SetText(rs, f).Body, SetsTool: "ipset restore"}
		if d := cmp.Diff(want, iptables.New(o).Texts(rs)[i]); d != "" {
			t.Errorf("IPv%s (-want +got):\n%s", f, d)
		}
	}
	o.Inline = true
	if text := iptables.New(o).Texts(rs)[0]; text.Sets != "" {
		t.Errorf("inline, there are sets:\n%s", text.Sets)
	}
}
