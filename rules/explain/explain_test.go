package explain

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/policy/policytest"
)

// What explain says of an attempt is what the policy means, and it names the
// same decider, whatever the host and the file are.
func TestExplainAgreesWithEval(t *testing.T) {
	asked := 0
	rapid.Check(t, func(t *rapid.T) {
		s := policytest.Snapshot(t)
		p := policytest.Policy(t)
		rs, _ := compile.Compile(p, s)
		q := policytest.Question(t, s)
		f := Query{From: q.Source.String(), Via: q.NIC, Proto: q.Proto.String(), To: netip.AddrPortFrom(q.Dest, q.Port).String()}
		if q.Proto == netinfo.ICMP {
			f.To = q.Dest.String()
		}
		r, err := Ask(f, p, s, rs)
		if err != nil {
			return // a source and a target that cannot meet
		}
		asked++
		if len(r.Bugs) > 0 {
			t.Fatalf("%+v: %q", f, r.Bugs)
		}
		denied := false
		for _, w := range r.Ways {
			means := policy.Eval(p, s, w.Question)
			denied = denied || !means.Allow
			if w.Verdict == Unknown {
				t.Fatalf("%+v: explain cannot tell: %s", w.Question, w.why)
			}
			if w.Verdict != verdictOf(means.Allow) || !sameDecider(w, means) {
				t.Fatalf("%+v: explain says %s %s, the policy means %+v", w.Question, w.Verdict, w.Policy, means)
			}
		}
		if r.Verdict != verdictOf(!denied) {
			t.Fatalf("%+v: verdict %s, though denied on some way: %v", f, r.Verdict, denied)
		}
	})
	if asked == 0 {
		t.Error("explain never answered: nothing was checked")
	}
}

// sameDecider compares names. Two may differ: where the host is open to all,
// ICMP needs no rule of its own; and what several blocks or closed networks deny
// is denied in the name of one of them.
func sameDecider(w Way, means policy.Answer) bool {
	kind := func(s rules.Subject) rules.Kind {
		if s.Default() {
			return rules.KindDefaults
		}
		return s.Kind
	}
	words := map[rules.Kind]rules.Subject{policy.ByNobody: None(), policy.ByNotCovered: None(),
		policy.ByHeld: {Kind: rules.KindHold}, policy.ByLoopback: {Kind: rules.KindMartian}}
	want, framed := words[means.Origin.Subject.Kind]
	if !framed {
		want = means.Origin.Subject
	}
	ping := means.Class == policy.ClassHost && w.Policy == (rules.Subject{Kind: rules.KindDefaults, Name: "host"}) && want == None()
	return w.Policy == want || ping || w.Verdict == Deny && kind(w.Policy) == kind(want)
}

func TestSuggest(t *testing.T) {
	known := []string{"db", "web", "web-backend", "cache"}
	for word, want := range map[string]string{
		"wbe": "; did you mean web?", "web-bakcend": "; did you mean web-backend?", "WEB": "; did you mean web?",
		"nothing-like-it": "; there are db, web, web-backend, cache",
	} {
		if got := suggest(word, known); got != want {
			t.Errorf("suggest(%q) = %q, want %q", word, got, want)
		}
	}
}
