package reconcile

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/agent/config"
	"dockwall/rules"
)

// wantEnforced fails unless the loop publishes this document, and rules that are in the
// kernel as they would be rendered.
func wantEnforced(t *testing.T, when string, l *Loop, m *machine, want *config.Document) *Enforced {
	t.Helper()
	time.Sleep(time.Second)
	synctest.Wait()
	in := l.Enforced()
	if in == nil {
		t.Fatalf("%s: nothing is enforced", when)
	}
	if in.Document != want {
		t.Errorf("%s: the enforced document is another", when)
	}
	rendered := in.Rendered(4)
	var members strings.Builder
	for _, s := range in.Ruleset.Sets {
		for _, e := range s.Members {
			members.WriteString(e.Prefix.String() + "\n")
		}
	}
	saved, sets := m.saved(), m.savedSets()
	from := want.Policy.Published[0].From.Literals[0].String()
	if !strings.Contains(saved+sets, from) || !strings.Contains(rendered+members.String(), from) {
		t.Errorf("%s: %s is not both in the kernel and in the enforced ruleset", when, from)
	}
	for _, name := range regexp.MustCompile(`dockwall4-[^ ]+`).FindAllString(rendered, -1) {
		if !strings.Contains(saved, name) {
			t.Errorf("%s: the enforced rules look at the set %s, which no rule in the kernel does", when, name)
		}
	}
	return in
}

func (m *machine) savedSets() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kernel.SaveSets()
}

// TestEnforcedIsInForce publishes what is in force whatever fails.
func TestEnforcedIsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		first := m.doc
		l := m.start(t)
		if l.Enforced() != nil {
			t.Error("something is enforced before the first pass")
		}
		<-l.Ready()
		in := wantEnforced(t, "at first", l, m, first)

		m.locked(func() {
			m.doc, m.diags = nil, config.Diagnostics{{Severity: "error", Summary: "Unclosed block", File: "agent.hcl", Line: 7}}
		})
		l.Poke(DueFile, "file changed")
		if now := wantEnforced(t, "a file with errors", l, m, first); now.Revision != in.Revision {
			t.Error("a file with errors is another revision")
		}

		// A container that moves is followed.
		m.locked(func() { m.snapshot = hostWithContainer("172.17.0.9") })
		l.Poke(DueFacts, "a container moved")
		wantEnforced(t, "a container moved", l, m, first)
		if got := l.Enforced().Snapshot.Containers[0].Endpoints[0].Addrs[0].String(); got != "172.17.0.9" {
			t.Errorf("the enforced snapshot has the container at %s", got)
		}

		second := document("198.51.100.0/24")
		m.locked(func() { m.doc, m.diags, m.failRuns = second, nil, 1000 })
		l.Poke(DueFile, "file changed")
		wantEnforced(t, "the kernel refuses the second document", l, m, first)
		m.locked(func() { m.failRuns = 0 })
		l.Poke(DueFacts|DueKernel, "again")
		if now := wantEnforced(t, "the kernel takes it", l, m, second); now.Revision == in.Revision {
			t.Error("another document is the same revision")
		}

		// A trial is a document that is loaded, and one that goes back another.
		m.locked(func() { m.doc, m.trial = document("192.0.2.0/24"), &Trial{State: TrialPending} })
		l.Poke(DueFile, "a trial began")
		wantEnforced(t, "on trial", l, m, m.doc)
		m.locked(func() { m.doc, m.trial = second, &Trial{State: TrialUnconfirmed} })
		l.Poke(DueFile, "the trial ended")
		wantEnforced(t, "after the trial", l, m, second)

		m.locked(func() { m.doc, m.factsErr = document("192.0.2.0/24"), errors.New("no facts") })
		l.Poke(DueFile|DueFacts, "file changed")
		wantEnforced(t, "the facts cannot be read", l, m, second)
	})
}

// TestEnforcedWithoutReports: rules that this kernel cannot have are not published.
func TestEnforcedWithoutReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.doc.Policy.LogDenied = true
		m.silent = true
		l := m.start(t)
		<-l.Ready()
		in := wantEnforced(t, "without NFLOG", l, m, m.doc)
		if !slices.Contains(in.LeftOut, rules.Log) {
			t.Errorf("left out are %v", in.LeftOut)
		}
		for _, c := range in.Ruleset.Chains {
			for _, r := range c.Rules {
				if r.Verdict.Kind == rules.Log {
					t.Errorf("a rule in %s reports packets, and the kernel has none", c.Name)
				}
			}
		}
	})
}
