package reconcile

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/plan"
)

// kinds notes what a cutter is asked for.
type kinds struct {
	asked  []string
	closed bool
}

func (k *kinds) Ask(rules.Ruleset, netinfo.Snapshot)       { k.asked = append(k.asked, "cut") }
func (k *kinds) AskFirst(rules.Ruleset, netinfo.Snapshot)  { k.asked = append(k.asked, "first") }
func (k *kinds) AskReopen(rules.Ruleset, netinfo.Snapshot) { k.asked = append(k.asked, "reopen") }
func (k *kinds) Closed() bool                              { return k.closed }

// Only the first rules after a time without any end what may be forged; an agent
// that finds its rules in force does not.
func TestCutterIsToldOfTheFirstRules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		k := &kinds{}
		m.cutters = k
		l := m.start(t)
		<-l.Ready()
		step := func(due Due, change func()) {
			m.locked(change)
			l.Poke(due, "testing")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		step(DueFacts, func() { m.snapshot = hostWithContainer("172.17.0.9") })
		step(DueFacts, func() { k.closed, m.snapshot = true, hostWithContainer("172.17.0.10") })
		step(DueKernel, func() {
			if err := m.kernel.Run(plan.Step{Action: plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*filter\n-F INPUT\nCOMMIT\n"}}}); err != nil {
				t.Fatal(err)
			}
		})
		if want := []string{"first", "reopen", "cut"}; !slices.Equal(k.asked, want) {
			t.Errorf("asked for %v, want %v", k.asked, want)
		}
	})
}
