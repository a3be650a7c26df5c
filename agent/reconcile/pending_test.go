package reconcile

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/rules/finding"
)

// TestPendingIsSaid has the kernel block a pass, and the file and Docker change
// meanwhile: after a second status says that the change is not in force.
func TestPendingIsSaid(t *testing.T) {
	for name, due := range map[string]Due{"agent.hcl changed": DueFile, "start web": DueFacts} {
		synctest.Test(t, func(t *testing.T) {
			m := newMachine()
			l := m.start(t)
			l.o.Busy = func() string { return "dockwall waits for iptables-legacy-restore" }
			<-l.Ready()
			time.Sleep(5 * time.Second)
			if st := l.Status(); st.State != Enforcing {
				t.Fatalf("status is %+v", st)
			}
			hold := make(chan struct{})
			m.locked(func() {
				m.holdRun = hold
				m.doc, m.snapshot = document("198.51.100.0/24"), hostWithContainer("172.17.0.3")
			})
			l.Poke(due, name)
			time.Sleep(finding.KindOf(finding.Pending).After)
			synctest.Wait()
			if st := l.Status(); st.State != Enforcing {
				t.Errorf("after %v status is %+v", finding.KindOf(finding.Pending).After, st)
			}
			time.Sleep(200 * time.Millisecond)
			st := l.Status()
			if st.State != Degraded || code(st) != string(finding.Pending) || !strings.Contains(st.Reasons[0].Message, name) || !strings.Contains(st.Reasons[0].Message, "iptables-legacy-restore") {
				t.Errorf("after more status is %+v", st)
			}
			close(hold)
			time.Sleep(50 * time.Millisecond)
			synctest.Wait()
			if st := l.Status(); st.State != Enforcing || len(st.Reasons) > 0 {
				t.Errorf("once it is in force status is %+v", st)
			}
		})
	}
}
