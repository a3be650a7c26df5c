package compile_test

import (
	"flag"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
	"dockwall/rules/trace"
)

// Two implementations that share nothing but the contract: what the compiled
// ruleset does to a packet is what the policy means.
func TestMeaning(t *testing.T) {
	moreChecks(t, 5000)
	asked := 0
	defer func() { t.Logf("%d packets", asked) }()
	forked := 0
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		p := policytest.Policy(t)
		if rapid.IntRange(0, 3).Draw(t, "crowd") == 0 {
			// So many ports that connections are led past most of them.
			for range 5 {
				p.Published = append(p.Published, policytest.Policy(t).Published...)
			}
		}
		rs, _ := compile.Compile(p, s)
		if err := rs.Validate(); err != nil {
			t.Fatalf("the compiled ruleset is not valid: %v", err)
		}
		if _, ok := rs.Chain("DOCKWALL-PUBLISHED-REST"); ok {
			forked++
		}
		m := trace.New(rs)
		for range 20 {
			q := policytest.Question(t, s)
			for _, way := range trace.Packets(s, q) {
				asked++
				want := policy.Eval(p, s, way.Question)
				got := m.Run(way.Packet, way.Base)
				if (got.Verdict == trace.Pass) != want.Allow || got.Verdict == trace.Undecided {
					t.Logf("containers %+v\nnetworks %+v\nlisteners %+v", s.Containers, s.Networks, s.Listeners)
					t.Fatalf("%+v\nmeans %+v\nbut the rules say %s:\n%s", way.Question, want, got.Verdict, walk(got))
				}
			}
		}
	})
	if forked < 50 {
		t.Errorf("%d rulesets fork: this shows nothing of them", forked)
	}
}

// moreChecks has rapid draw that many cases where the command line does not say
// otherwise, until the test ends.
func moreChecks(t *testing.T, n int) {
	f := flag.Lookup("rapid.checks")
	if old := f.Value.String(); old == f.DefValue {
		if err := f.Value.Set(strconv.Itoa(n)); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := f.Value.Set(old); err != nil {
				t.Error(err)
			}
		})
	}
}

func walk(r trace.Result) string {
	var b strings.Builder
	r.WriteText(&b)
	return b.String()
}
