package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/agent/config"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
)

func TestFirstPassEnforces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		if st := l.Status(); st.State != Enforcing || st.Generation != 1 || st.Containers != 1 {
			t.Errorf("status is %+v", st)
		}
		if !strings.Contains(m.saved(), "-A DOCKER-USER") {
			t.Errorf("nothing hooked:\n%s", m.saved())
		}
	})
}

func TestBadFileChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		before := m.saved()
		m.locked(func() {
			m.doc, m.diags = nil, config.Diagnostics{{Severity: "error", Summary: "Unclosed block", File: "agent.hcl", Line: 7}}
		})
		l.Poke(DueFile, "file changed")
		synctest.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		st := l.Status()
		if m.saved() != before {
			t.Error("the kernel changed")
		}
		if st.State != Degraded || !strings.Contains(st.Config.Error, "Unclosed block") || code(st) != "config" {
			t.Errorf("status is %+v", st)
		}
	})
}

// TestTrialInStatus: a pending trial is no trouble, one that was not confirmed is.
func TestTrialInStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.trial = &Trial{State: TrialPending, File: "agent.hcl", Deadline: time.Now().Add(time.Minute)}
		l := m.start(t)
		<-l.Ready()
		if st := l.Status(); st.State != Enforcing || st.Trial == nil || *st.Trial != *m.trial || st.Config.Error != "" {
			t.Errorf("pending: status is %+v", st)
		}
		m.locked(func() { m.trial = &Trial{State: TrialUnconfirmed, File: "agent.hcl", Deadline: time.Now()} })
		l.Poke(DueFile, "the trial was not confirmed: going back")
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Status(); st.State != Degraded || code(st) != "unconfirmed" || !strings.Contains(st.Config.Error, "was not confirmed") {
			t.Errorf("unconfirmed: status is %+v", st)
		}
	})
}

func code(st Status) string {
	var codes []string
	for _, r := range st.Reasons {
		codes = append(codes, string(r.Code))
	}
	return strings.Join(codes, " ")
}

// A steady stream of pokes must not postpone a pass.
func TestStreamOfPokesDoesNotPostpone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		m.locked(func() { m.snapshot = hostWithContainer("172.17.0.3") })
		begun := time.Now()
		for l.Status().Generation < 2 {
			l.Poke(DueFacts, "event")
			time.Sleep(time.Millisecond)
			if time.Since(begun) > time.Second {
				t.Fatal("no pass within a second of pokes")
			}
		}
		if d := time.Since(begun); d > 3*minInterval {
			t.Errorf("the pass came %s after the change", d)
		}
	})
}

func TestTamperingIsPutBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		before := m.saved()
		m.flush(t, "DOCKER-USER", "FORWARD", "INPUT")
		l.Poke(DueKernel, "kernel changed")
		time.Sleep(time.Second)
		synctest.Wait()
		if got := m.saved(); got != before {
			t.Errorf("not put back:\n%s\nwas\n%s", got, before)
		}
		if st := l.Status(); st.Repairs != 1 || st.State != Enforcing {
			t.Errorf("status is %+v", st)
		}
		m.locked(func() {
			if want := []plan.ChangeKind{plan.ChangeJump}; !slices.Equal(m.drift, want) {
				t.Errorf("repaired %q, want %q", m.drift, want)
			}
		})
	})
}

// A burst of changes, as of a firewall that is reloaded, is put right change by
// change and without delay.
func TestBurstIsAnsweredAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		for range atOnce {
			before := m.saved()
			m.flush(t, "DOCKER-USER")
			l.Poke(DueKernel, "kernel changed")
			time.Sleep(2 * kernelInterval)
			synctest.Wait()
			if m.saved() != before {
				t.Fatalf("after %d repairs nothing was put back within %s", l.Status().Repairs, 2*kernelInterval)
			}
		}
	})
}

// Others that insist are answered ever more slowly, not in a busy loop.
func TestInsistingProgramIsAnsweredMoreSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		begun := time.Now()
		var fights int
		for time.Since(begun) < 20*time.Second {
			m.flush(t, "DOCKER-USER")
			fights++
			l.Poke(DueKernel, "kernel changed")
			time.Sleep(10 * time.Millisecond)
		}
		if r := l.Status().Repairs; r < 5 || r > 60 {
			t.Errorf("%d repairs in 20 s against %d changes", r, fights)
		}
	})
}

func TestFailureIsRetriedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		m.locked(func() { m.failRuns = 3; m.doc = document("198.51.100.0/24") })
		l.Poke(DueFile, "file changed")
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if st := l.Status(); st.State != Degraded || code(st) != "apply" {
			t.Errorf("after a failure status is %+v", st)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if st := l.Status(); st.State != Enforcing || st.Generation != 2 {
			t.Errorf("after the retries status is %+v", st)
		}
		if !strings.Contains(m.saved(), "198.51.100.0/24") {
			t.Error("the new policy is not in force")
		}
	})
}

// Another program that writes at the same time is told from what cannot be written
// at all, and only if it goes on.
func TestContested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.cutter = &asked{}
		l := m.start(t)
		<-l.Ready()
		m.locked(func() {
			m.doc = document("198.51.100.0/24")
			m.meddle = func() error { return m.emptied("DOCKER-USER") }
		})
		l.Poke(DueFile, "file changed")
		time.Sleep(finding.KindOf(finding.ContestedRules).After / 2)
		synctest.Wait()
		wantEnforcing(t, l, "beside another program", false)
		if m.cutter.n.Load() < 2 {
			t.Error("nobody was asked to cut what the new policy does not allow")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if st := l.Status(); st.State != Degraded || code(st) != "contested" {
			t.Errorf("beside one that insists status is %+v", st)
		}
		m.locked(func() { m.meddle = nil })
		time.Sleep(2 * maxRetry)
		synctest.Wait()
		wantEnforcing(t, l, "after the other program", true)
	})
}

// A plan that another program has made impossible before it was run is no failure.
func TestForestalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		m.locked(func() {
			m.doc = document("198.51.100.0/24")
			m.forestall = func() error {
				m.forestall = nil
				return errors.Join(errors.New("line 2 failed"), m.emptied("DOCKER-USER"))
			}
		})
		l.Poke(DueFile, "file changed")
		time.Sleep(firstRetry / 2)
		synctest.Wait()
		wantEnforcing(t, l, "beside another program", false)
		time.Sleep(time.Second)
		synctest.Wait()
		wantEnforcing(t, l, "after the other program", true)
	})
}

// wantEnforcing looks for that state, and whether what was read last is in force.
func wantEnforcing(t *testing.T, l *Loop, when string, inForce bool) {
	t.Helper()
	if st := l.Status(); st.State != Enforcing || st.AppliedAt.After(st.Config.LoadedAt) != inForce {
		t.Errorf("%s status is %+v", when, st)
	}
}

func TestDockerAwayKeepsRulesAndDegrades(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		before := m.saved()
		m.locked(func() { m.snapshot.Engine.Connected = false; m.snapshot.Engine.Error = "connection refused" })
		l.Poke(DueFacts, "Docker went away")
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Status(); st.State != Degraded || code(st) != "docker_away" {
			t.Errorf("status is %+v", st)
		}
		if m.saved() != before {
			t.Error("the kernel changed")
		}
	})
}

// A kernel that cannot report packets refuses them all the same; when it can,
// and the file is read again, it reports them.
func TestRefusingGoesBeforeReporting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.doc.Policy.LogDenied, m.silent = true, true
		l := m.start(t)
		<-l.Ready()
		st := l.Status()
		if len(st.Problems) != 1 || st.Problems[0].Code != "not_reported" || st.State != Enforcing {
			t.Errorf("status is %+v", st)
		}
		if text := m.saved(); strings.Contains(text, "NFLOG") || !strings.Contains(text, "-j DROP") {
			t.Errorf("in force is\n%s", text)
		}
		m.locked(func() { m.silent = false })
		l.Reload()
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Status(); len(st.Problems) != 0 || !strings.Contains(m.saved(), "NFLOG") {
			t.Errorf("after the reload the status is %+v and in force is\n%s", st, m.saved())
		}
	})
}

// Facts that never stop changing do not keep the loop from looking at the kernel.
func TestRepairIsNotPutOffForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		before := m.saved()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
					l.Poke(DueFacts, "a neighbour was seen")
				}
			}
		}()
		m.flush(t, "DOCKWALL-PUBLISHED")
		l.Poke(DueKernel, "a flush")
		time.Sleep(4 * kernelInterval)
		synctest.Wait()
		if m.saved() != before {
			t.Errorf("%v after a flush the rules are not back", 4*kernelInterval)
		}
	})
}

func TestFactsErrorChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		before := m.saved()
		m.locked(func() { m.factsErr = errors.New("netlink: no buffer space") })
		l.Poke(DueFacts, "event")
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if st := l.Status(); code(st) != "facts" || m.saved() != before {
			t.Errorf("status is %+v", st)
		}
	})
}

func TestIsolationThatIsNotThereIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.doc.Policy.Defaults.Between = policy.Deny
		m.bridgeNF = errors.New("no such module")
		l := m.start(t)
		<-l.Ready()
		if st := l.Status(); st.State != Degraded || code(st) != "isolation" {
			t.Errorf("status is %+v", st)
		}
		m.locked(func() {
			if m.isolated == nil || !m.isolated("docker0") || m.isolated("virbr0") {
				t.Error("other bridges are shown than Docker's")
			}
			m.doc.Policy.Defaults.Between = policy.Allow
		})
		settled := m.settled
		l.Poke(DueFile, "the file changed")
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Status(); m.isolated != nil || m.settled == settled || code(st) == "isolation" {
			t.Errorf("status is %+v after isolation was lifted", st)
		}
	})
}
