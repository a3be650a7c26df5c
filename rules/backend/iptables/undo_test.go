package iptables_test

import (
	"slices"
	"strings"
	"testing"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Remove leaves what was there before.
func TestRemove(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, o, host := drawHost(t)
		if host == "tampered" {
			t.Skip("what was ours before is not put back")
		}
		addNative(t, k, o)
		before := k.Save(4) + k.Save(6) + k.SaveSets()
		rs := ruletest.Rulesets().Draw(t, "ruleset")
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			apply(t, k, rs, o)
			rs = ruletest.Edited(rs).Draw(t, "edited")
		}
		if err := k.RunAll(all(iptables.Remove(state(t, k)))); err != nil {
			t.Fatal(err)
		}
		after := k.Save(4) + k.Save(6) + k.SaveSets()
		before, after = dockersOwn(before, host), dockersOwn(after, host)
		if o.Variant == iptables.Legacy {
			after = withoutEmptyTables(after)
		}
		if d := cmp.Diff(before, after); d != "" {
			t.Fatalf("(-before +after):\n%s", d)
		}
		if p := iptables.Remove(state(t, k)); !p.Empty() {
			t.Fatalf("a second Remove has something to do:\n%s", p)
		}
	})
}

// withoutEmptyTables leaves out the tables that legacy keeps once they were used.
func withoutEmptyTables(s string) string {
	for _, name := range []string{"filter", "security"} {
		s = strings.ReplaceAll(s, "*"+name+"\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", "")
	}
	return strings.ReplaceAll(s, "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n", "")
}

// Rollback leads back from wherever the run was stopped.
func TestRollback(t *testing.T) {
	alone := 0
	defer func() {
		if alone == 0 {
			t.Error("no step ever went without the one beside it")
		}
	}()
	check := func(t *rapid.T) {
		k, o, host := drawHost(t)
		rs := ruletest.Rulesets().Draw(t, "ruleset")
		var p plan.Plan
		if rapid.Bool().Draw(t, "not the first") {
			apply(t, k, rs, o)
			rs = ruletest.Edited(rs).Draw(t, "edited")
		}
		if host != "tampered" { // a jump with conditions is not put back beside native rules
			addNative(t, k, o)
		}
		before := k.Save(4) + k.Save(6) + k.SaveSets()
		if rapid.IntRange(0, 3).Draw(t, "removing") == 0 {
			p = iptables.Remove(state(t, k))
		} else {
			p = iptables.Diff(rs, state(t, k), o)
		}
		steps := all(p)
		stop := rapid.IntRange(len(p.Prepare), len(steps)).Draw(t, "stop")
		done := steps[:stop]
		if stop > 1 && done[stop-1].Beside && rapid.Bool().Draw(t, "the one beside the last has failed") {
			done = append(slices.Clone(done[:stop-2]), done[stop-1])
			alone++
		}
		if err := k.RunAll(done); err != nil {
			t.Fatal(err)
		}
		if err := k.RunAll(p.Rollback); err != nil {
			t.Fatalf("%v after %d steps of\n%s", err, stop, p)
		}
		after := k.Save(4) + k.Save(6) + k.SaveSets()
		if d := cmp.Diff(normal(before, host, o), normal(after, host, o)); d != "" {
			t.Fatalf("stopped after %d (-before +after):\n%s\n%s", stop, d, p)
		}
	}
	for range 5 { // a hundred draws have no such step once in a hundred runs
		if rapid.Check(t, check); alone > 0 {
			return
		}
	}
}

// dockersOwn leaves out Docker's own jump where it was not there as it should.
func dockersOwn(s, host string) string {
	if host == "docker, jump lost" || host == "docker, jump twice" {
		return strings.ReplaceAll(s, "-A FORWARD -j DOCKER-USER\n", "")
	}
	return s
}

// normal leaves out what a rollback need not restore: Docker's own jump, and
// legacy's empty tables.
func normal(s, host string, o iptables.Options) string {
	s = dockersOwn(s, host)
	if o.Variant == iptables.Legacy {
		s = withoutEmptyTables(s)
	}
	var out []string
	for l := range strings.SplitSeq(s, "\n") {
		if strings.HasPrefix(l, "create ") {
			l, _, _ = strings.Cut(l, " maxelem ") // a set may have room left over
		}
		out = append(out, l)
	}
	return strings.Join(out, "\n")
}
