package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/plan"
)

// The latch is shut after the rules are in force that stamp packets, knows every
// bridge, and is open where packets cannot be stamped.
func TestLatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		if m.latch == nil || !slices.Contains(m.latch.Docker, rules.Interface{Name: "docker0"}) {
			t.Fatalf("the latch is shut for %+v", m.latch)
		}
		m.locked(func() {
			m.snapshot = hostWithContainer("172.17.0.2")
			m.snapshot.Networks = append(m.snapshot.Networks, netinfo.Network{ID: "n2", Name: "odd", Driver: "bridge", Bridge: "odd0"})
			m.snapshot.Normalize()
		})
		l.Poke(DueFacts, "network create")
		time.Sleep(time.Second)
		synctest.Wait()
		if !slices.Contains(m.latch.Docker, rules.Interface{Name: "odd0"}) {
			t.Errorf("after another network the latch is shut for %+v", m.latch)
		}
		m.flush(t, "INPUT", "OUTPUT")
		l.Poke(DueKernel, "a flush")
		time.Sleep(enforce.SettleTime / 2)
		synctest.Wait()
		if m.latch.Tight {
			t.Error("the latch is tight, though the guard was there")
		}
		m.flush(t, "INPUT")
		m.locked(func() {
			if err := m.kernel.Run(plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*security\n-F INPUT\nCOMMIT\n"}}}); err != nil {
				t.Fatal(err)
			}
		})
		l.Poke(DueKernel, "a flush of every table")
		time.Sleep(enforce.SettleTime / 2)
		synctest.Wait()
		if !m.latch.Tight {
			t.Error("right after the rules were put back the latch is not tight")
		}
		// Passes that go on all the time do not keep it so.
		for range int(enforce.SettleTime / minInterval) {
			l.Poke(DueFacts, "a neighbour was seen")
			time.Sleep(minInterval)
		}
		synctest.Wait()
		if m.latch.Tight {
			t.Error("the latch stays tight")
		}
		m.locked(func() { m.latchErr = errors.New("operation not supported") })
		l.Reload()
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Status(); len(st.Problems) != 1 || st.Problems[0].Code != "no_latch" || st.State != Enforcing {
			t.Errorf("with a latch that cannot be shut the status is %+v", st)
		}
		m.locked(func() { m.latchErr = nil })
		time.Sleep(10 * time.Second)
		l.Poke(DueFacts, "resync")
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Status(); len(st.Problems) != 0 {
			t.Errorf("when the latch can be shut the status is %+v", st)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.stampless = true
		l := m.start(t)
		<-l.Ready()
		if st := l.Status(); m.latched != 0 || len(st.Problems) != 1 || st.Problems[0].Code != "no_latch" || strings.Contains(m.saved(), "CLASSIFY") {
			t.Errorf("where nothing can be stamped the latch was shut %d times, and the status is %+v", m.latched, st)
		}
	})
}

// What was only guessed to be lacking is not gone without.
func TestGuessesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.doc.Policy.LogDenied = true
		l := m.start(t)
		<-l.Ready()
		before := m.saved()
		m.locked(func() { m.broken = true })
		m.flush(t, "DOCKWALL-PUBLISHED")
		l.Poke(DueKernel, "a flush")
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if m.latch == nil || code(l.Status()) != "apply" {
			t.Errorf("while nothing can be written the latch is %+v and the status %+v", m.latch, l.Status())
		}
		m.locked(func() { m.broken = false })
		time.Sleep(time.Second)
		synctest.Wait()
		if st := l.Status(); m.saved() != before || m.latch == nil || len(st.Problems) != 0 {
			t.Errorf("afterwards the status is %+v, the latch %+v, and in force is\n%s", st, m.latch, m.saved())
		}
	})
}
