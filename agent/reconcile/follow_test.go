package reconcile

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/plan"
)

// Container changes alone must not rewrite rules.
func TestContainerChangeTouchesOnlySets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		before, observes := m.saved(), m.observes
		m.locked(func() { m.snapshot = hostWithContainer("172.17.0.9") })
		l.Poke(DueFacts, "container started")
		time.Sleep(time.Second)
		synctest.Wait()
		if m.saved() != before {
			t.Error("rules were rewritten")
		}
		if m.observes != observes {
			t.Error("the kernel was read again for a change of members")
		}
		st, err := m.kernel.State()
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, s := range st.Sets {
			for _, e := range s.Members {
				found = found || e.Prefix.Addr().String() == "172.17.0.9"
			}
		}
		if !found {
			t.Errorf("172.17.0.9 is in no set: %v", slices.Collect(func(yield func(string) bool) {
				for _, s := range st.Sets {
					yield(s.Name)
				}
			}))
		}
	})
}

// asked counts how often a cutter is asked.
type asked struct{ n atomic.Int64 }

func (a *asked) Ask(rules.Ruleset, netinfo.Snapshot) { a.n.Add(1) }

// A policy change may leave connections that it no longer allows; a container
// that comes or goes leaves none.
func TestCutterIsAskedWhenSomethingMayHaveTightened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.cutter = &asked{}
		l := m.start(t)
		<-l.Ready()
		steps := []struct {
			what   string
			change func()
			due    Due
			want   int64
		}{
			{"the first rules", func() {}, DueFacts, 1},
			{"another container", func() { m.snapshot = hostWithContainer("172.17.0.9") }, DueFacts, 1},
			{"another policy", func() { m.doc = document("198.51.100.0/24") }, DueFile, 2},
			{"a renamed container", func() {
				// Facts that were handed out are not written to.
				m.snapshot.Containers = slices.Clone(m.snapshot.Containers)
				m.snapshot.Containers[0].Name = "other"
			}, DueFacts, 3},
		}
		for _, s := range steps {
			m.locked(s.change)
			l.Poke(s.due, s.what)
			time.Sleep(time.Second)
			synctest.Wait()
			if n := m.cutter.n.Load(); n != s.want {
				t.Errorf("after %s the cutter was asked %d times, want %d", s.what, n, s.want)
			}
		}
	})
}

// A new policy after containers have come is a change, not a repair of what
// somebody else did; what somebody else did after that is one.
func TestFollowedIsNotRepaired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		l := m.start(t)
		<-l.Ready()
		step := func(due Due, change func()) Status {
			m.locked(change)
			l.Poke(due, "testing")
			time.Sleep(3 * time.Second)
			synctest.Wait()
			return l.Status()
		}
		observed := m.observes
		if st := step(DueFacts, func() { m.snapshot = hostWithContainer("172.17.0.9") }); st.Repairs != 0 || st.Generation != 2 || m.observes != observed {
			t.Errorf("after a container: %d repairs, generation %d, the kernel was read %d times", st.Repairs, st.Generation, m.observes-observed)
		}
		if st := step(DueFile|DueKernel, func() { m.doc = document("198.51.100.0/24") }); st.Repairs != 0 {
			t.Errorf("after a policy: %d repairs", st.Repairs)
		}
		step(DueFacts, func() { m.snapshot = hostWithContainer("172.17.0.10") })
		st := step(DueKernel, func() {
			if err := m.kernel.Run(plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*filter\n-F INPUT\nCOMMIT\n"}}}); err != nil {
				t.Fatal(err)
			}
		})
		if st.Repairs != 1 {
			t.Errorf("after a flush: %d repairs", st.Repairs)
		}
		// What did not fit between the file and the containers is found out later.
		if st := step(DueFacts, func() { m.snapshot.Containers = nil }); len(st.Problems) == 0 {
			t.Error("nothing is said of a selector that matches nothing any more")
		}
	})
}
