package iptables_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"
)

// guarded is a ruleset whose guard enters by a chain of its own.
func guarded() rules.Ruleset {
	drop := rules.Rule{Match: []rules.Match{rules.InInterface{Name: "eth0"}}, Verdict: rules.Verdict{Kind: rules.Drop}}
	enter := rules.Rule{Verdict: rules.Verdict{Kind: rules.Goto, Chain: "DOCKWALL-F"}}
	return rules.Ruleset{
		Chains: []rules.Chain{{Name: "DOCKWALL-F", Rules: []rules.Rule{drop}}, {Name: "DOCKWALL-FG", Rules: []rules.Rule{enter}},
			{Name: "DOCKWALL-I", Rules: []rules.Rule{drop}}, {Name: "DOCKWALL-IG", Rules: []rules.Rule{{Verdict: rules.Verdict{Kind: rules.Goto, Chain: "DOCKWALL-I"}}}}},
		Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-F"}, {Base: rules.BaseInput, Chain: "DOCKWALL-I"},
			{Guard: true, Base: rules.BaseForward, Chain: "DOCKWALL-FG"}, {Guard: true, Base: rules.BaseInput, Chain: "DOCKWALL-IG"}},
	}
}

// Legacy has no table that it could take away again, so that the guard of FORWARD
// stands in FORWARD itself, right after the jump to DOCKER-USER: while Docker takes
// that away and puts it back there is nothing to repair.
func TestLegacyGuardStandsInForward(t *testing.T) {
	o := iptables.Options{Variant: iptables.Legacy}
	k := ruletest.NewKernel(o.Variant)
	do := func(lines string) {
		t.Helper()
		if err := k.RunAll([]plan.Step{{Action: plan.RestoreTable{Tool: "iptables-legacy", Script: plan.Script{Body: "*filter\n" + lines + "\nCOMMIT\n"}}}}); err != nil {
			t.Fatal(err)
		}
	}
	forward := func() []string {
		var rs []string
		table := ""
		for l := range strings.SplitSeq(k.Save(4), "\n") {
			if strings.HasPrefix(l, "*") {
				table = l
			}
			if table != "*filter" {
				continue
			}
			if r, ok := strings.CutPrefix(l, "-A FORWARD "); ok {
				rs = append(rs, strings.ReplaceAll(r, `-m comment --comment "dockwall:jump" `, ""))
			}
		}
		return rs
	}
	is := func(when string, want ...string) {
		t.Helper()
		if d := cmp.Diff(want, forward()); d != "" {
			t.Fatalf("%s (-want +got):\n%s", when, d)
		}
	}
	do(":DOCKER-USER - [0:0]\n:DOCKER - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -o docker0 -j DOCKER")
	apply(t, k, guarded(), o)
	const user, guard, docker = "-j DOCKER-USER", "-j DOCKWALL-FG", "-o docker0 -j DOCKER"
	is("applied", user, guard, docker)
	if text := k.Save(4); strings.Contains(text, "*security") || strings.Contains(text, "DOCKWALL-IG") {
		t.Errorf("what only a guard's table would hold is there:\n%s", text)
	}
	do("-D FORWARD -j DOCKER-USER")
	is("Docker took its jump away", guard, docker)
	do("-I FORWARD 1 -j DOCKER-USER")
	is("and put it back", user, guard, docker)
	if p := iptables.Diff(guarded(), state(t, k), o); !p.Empty() {
		t.Errorf("there is something to repair:\n%s", p)
	}
	do("-I FORWARD 2 -i eth7 -j ACCEPT")
	apply(t, k, guarded(), o)
	is("somebody came between", user, guard, "-i eth7 -j ACCEPT", docker)
	do("-I FORWARD 1 -i eth8 -j ACCEPT")
	p := apply(t, k, guarded(), o)
	is("somebody came first", user, guard, "-i eth8 -j ACCEPT", user, "-i eth7 -j ACCEPT", docker)
	if err := k.RunAll(p.Rollback); err != nil {
		t.Fatal(err)
	}
	is("went back", "-i eth8 -j ACCEPT", user, guard, "-i eth7 -j ACCEPT", docker)
	apply(t, k, guarded(), o)
	do("-D FORWARD -i eth8 -j ACCEPT\n-D FORWARD -i eth7 -j ACCEPT")
	// The engine was upgraded, and needs the table.
	o.Guard = true
	apply(t, k, guarded(), o)
	if got := forward(); slices.Contains(got, guard) || !strings.Contains(k.Save(4), "*security") {
		t.Errorf("with a table of its own the guard is still in FORWARD: %q", got)
	}
	o.Guard = false
	apply(t, k, guarded(), o)
	if err := k.RunAll(all(iptables.Remove(state(t, k)))); err != nil {
		t.Fatal(err)
	}
	is("removed", user, docker)
	if text := k.Save(4) + k.Save(6); strings.Contains(text, "DOCKWALL") {
		t.Errorf("removed, but:\n%s", text)
	}
}
