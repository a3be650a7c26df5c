package reconcile

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/policy"
)

// A block list that another program empties is filled again long before the next
// probe of everything.
func TestEmptiedBlockListIsSeenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine()
		m.looks = true
		m.doc.Policy.Blocks = []*policy.Block{{Name: "abusers", From: policy.AddressList{
			Literals: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix("203.0.113.0/24")}}}}
		l := m.start(t)
		<-l.Ready()
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		var list string
		for _, s := range m.sets(t) {
			if strings.HasPrefix(s.Name, "dockwall4-a-") {
				list = s.Name
			}
		}
		m.locked(func() {
			if err := m.kernel.Run(plan.Step{Action: plan.RestoreSets{Script: plan.Script{Body: "flush " + list + "\n"}}}); err != nil {
				t.Fatal(err)
			}
		})
		time.Sleep(glanceSpacer + kernelInterval + 10*time.Millisecond)
		synctest.Wait()
		for _, s := range m.sets(t) {
			if s.Name == list && len(s.Members) != 2 {
				t.Errorf("after %v the list still has %d members", glanceSpacer, len(s.Members))
			}
		}
	})
}

// sets are those in the kernel.
func (m *machine) sets(t *testing.T) []iptables.SetState {
	t.Helper()
	var st iptables.State
	var err error
	m.locked(func() { st, err = m.kernel.State() })
	if err != nil {
		t.Fatal(err)
	}
	return st.Sets
}
