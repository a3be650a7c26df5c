package trial

import (
	"testing"
	"testing/synctest"
	"time"

	"dockwall/agent/reconcile"
)

// TestDeath ends agentd at every moment of a trial, and begins it anew at
// another.
func TestDeath(t *testing.T) {
	for _, boots := range []int{0, 1} {
		for _, away := range []time.Duration{0, 30 * time.Second, 50 * time.Second, time.Hour} {
			bubble(t, func(t *testing.T, d *desk) {
				k := d.open()
				d.write("b")
				d.begin(k, "")
				time.Sleep(10 * time.Second)
				time.Sleep(away)
				d.boots += boots
				k = d.open()
				if away >= 50*time.Second {
					d.wantState(k, reconcile.TrialUnconfirmed)
					d.wantRead(k, "a")
					return
				}
				d.wantRead(k, "b")
				run(t, k)
				time.Sleep(50*time.Second - away - time.Millisecond)
				synctest.Wait()
				d.wantState(k, reconcile.TrialPending)
				time.Sleep(2 * time.Millisecond)
				synctest.Wait()
				d.wantRead(k, "a")
			})
		}
	}
}

// TestClockIsSet: whoever sets the clock does not extend a trial.
func TestClockIsSet(t *testing.T) {
	for _, set := range []time.Duration{-24 * time.Hour, -5 * time.Second, time.Hour} {
		bubble(t, func(t *testing.T, d *desk) {
			k := d.open()
			run(t, k)
			d.write("b")
			d.begin(k, "")
			d.set = set
			time.Sleep(59 * time.Second)
			synctest.Wait()
			d.wantState(k, reconcile.TrialPending)
			if at := k.Status().Deadline.Sub(time.Now().Add(set)); at != time.Second {
				t.Errorf("clock set by %s: the deadline is said to be in %s", set, at)
			}
			d.wantState(d.open(), reconcile.TrialPending) // in the same boot
			time.Sleep(time.Second)
			synctest.Wait()
			d.wantRead(k, "a")
		})
		bubble(t, func(t *testing.T, d *desk) {
			k := d.open()
			d.write("b")
			d.begin(k, "")
			time.Sleep(10 * time.Second)
			d.set = set
			d.boots++
			k = d.open()
			if set == -5*time.Second {
				if left := k.Status().Deadline.Sub(time.Now().Add(set)); left <= 0 || left > time.Minute {
					t.Errorf("after a reboot with the clock set by %s there are %s left", set, left)
				}
				return
			}
			d.wantRead(k, "a")
		})
	}
}
