package reconcile

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

// kinds notes what a cutter is asked for.
type kinds struct {
	asked  []string
	closed bool
}

func (k *kinds) Ask(rules.Ruleset, netinfo.Snapshot)      { k.asked = append(k.asked, "cut") }
func (k *kinds) AskFirst(rules.Ruleset, netinfo.Snapshot) { k.asked = append(k.asked, "first") }
func (k *kinds) AskClaimed(_ rules.Ruleset, _ netinfo.Snapshot, ps []netip.Prefix) {
	k.asked = append(k.asked, fmt.Sprint("claimed ", ps))
}
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

// A source that the rules did not claim before may have been forged until now: that of
// a network or of a route that was just made. So may all sources if another program
// took away the jump of the chain that refuses them, or emptied the set.
func TestCutterIsToldOfNewClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		k := &kinds{}
		m.cutters = k
		l := m.start(t)
		<-l.Ready()
		k.asked = nil
		step := func(due Due, change func(*netinfo.Snapshot)) {
			m.locked(func() { change(&m.snapshot) })
			l.Poke(due, "testing")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		tamper := func(a plan.Action) func(*netinfo.Snapshot) {
			return func(*netinfo.Snapshot) {
				if err := m.kernel.Run(plan.Step{Action: a}); err != nil {
					t.Fatal(err)
				}
			}
		}
		vpn, other, subnet := netip.MustParsePrefix("10.8.0.0/24"), netip.MustParsePrefix("10.9.0.0/24"), netip.MustParsePrefix("172.30.0.0/24")
		step(DueFacts, func(s *netinfo.Snapshot) { s.Routes = []netinfo.Route{{Prefix: vpn, Link: "docker0"}} })
		step(DueFacts, func(s *netinfo.Snapshot) {
			s.Routes = []netinfo.Route{{Prefix: vpn, Link: "docker0"}, {Prefix: other, Link: "docker0"}}
		})
		step(DueFacts, func(s *netinfo.Snapshot) {
			s.Networks = append(slices.Clone(s.Networks), netinfo.Network{ID: "n2", Name: "new", Driver: "bridge", Bridge: "br-0123456789ab", Subnets: []netip.Prefix{subnet}})
		})
		step(DueKernel, tamper(plan.EditSets{Ops: []plan.SetOp{{Verb: plan.DeleteMembers, Set: "dockwall4-" + compile.ClaimedSet(), Members: []rules.Member{{Prefix: vpn}}}}}))
		step(DueKernel, tamper(plan.RestoreTable{Tool: "iptables-nft", Script: plan.Script{Body: "*raw\n-F PREROUTING\nCOMMIT\n"}}))
		want := []string{"claimed [10.8.0.0/24]", "claimed [10.9.0.0/24]", "claimed [172.30.0.0/24]", "claimed [10.8.0.0/24]", "first"}
		if !slices.Equal(k.asked, want) {
			t.Errorf("asked for %q, want %q", k.asked, want)
		}
	})
}
