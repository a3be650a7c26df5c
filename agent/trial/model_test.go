package trial

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"dockwall/agent/reconcile"
)

// model is what a trial means, in the simplest words: which text is in force,
// which is on disk, and until when the one on trial is there to be confirmed.
type model struct {
	disk string
	// settled is in force where there is no trial; refused, if any, is the
	// text that was not confirmed, which settled stands in for.
	settled, refused string
	until            time.Time // zero: no trial
	former           string
	// set reports whether the clock was set during the trial: a reboot may end it
	// then before its time.
	set bool
}

func (m *model) inForce(now time.Time) string {
	m.lapse(now)
	switch {
	case !m.until.IsZero():
		return m.disk
	case m.refused != "" && m.refused == m.disk:
		return m.settled
	}
	m.settled, m.refused = m.disk, ""
	return m.disk
}

func (m *model) lapse(now time.Time) {
	if !m.until.IsZero() && !now.Before(m.until) {
		m.settled, m.refused, m.until = m.former, m.disk, time.Time{}
	}
}

// TestKeeperIsTheModel holds the keeper to the model, whatever people, kills,
// reboots and clocks do.
func TestKeeperIsTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom([]string{
			"edit", "edit", "try", "try", "confirm", "accept", "wait", "wait", "kill", "reboot", "clock",
		}), 1, 30).Draw(rt, "steps")
		waits := rapid.SliceOfN(rapid.IntRange(1, 45), len(steps), len(steps)).Draw(rt, "waits")
		failed := ""
		synctest.Test(t, func(t *testing.T) { failed = play(t, steps, waits) })
		if failed != "" {
			rt.Fatalf("%s\nafter %v, %v", failed, steps, waits)
		}
	})
}

func play(t *testing.T, steps []string, waits []int) (failed string) {
	d := newDesk(t)
	k := d.open()
	m := &model{disk: "a", settled: "a"}
	for i, step := range steps {
		wait := time.Duration(waits[i]) * time.Second
		if failed = m.step(d, &k, step, i, wait); failed != "" {
			return fmt.Sprintf("step %d, %s: %s", i, step, failed)
		}
		if k.Status() != nil && k.Status().State == reconcile.TrialPending {
			k.expire()
		}
		want := m.inForce(time.Now())
		if got := d.read(k); got != want {
			return fmt.Sprintf("after step %d, %s, in force is %s, want %s (status %+v, model %+v)", i, step, got, want, k.Status(), m)
		}
	}
	return ""
}

func (m *model) step(d *desk, k **Keeper, step string, n int, wait time.Duration) (failed string) {
	m.lapse(time.Now())
	switch step {
	case "edit":
		m.disk = fmt.Sprintf("p%d", n)
		d.write(m.disk)
	case "try":
		before := m.inForce(time.Now())
		st, err := (*k).Begin(30*time.Second, "")
		if !m.until.IsZero() != (err != nil) {
			return fmt.Sprintf("Begin: %v", err)
		}
		if st != nil {
			m.until, m.set = time.Now().Add(30*time.Second), d.set != 0
			if m.former = nameOf(d.t, (*k).Former()); m.refused != "" && m.former != before {
				return "a trial of a refused file goes back to " + m.former + ", not to " + before
			}
			m.refused = ""
		}
	case "confirm":
		_, err := (*k).Confirm()
		if m.until.IsZero() != (err != nil) {
			return fmt.Sprintf("Confirm: %v", err)
		}
		m.until = time.Time{}
	case "accept":
		if err := (*k).Accept(); !m.until.IsZero() != (err != nil) {
			return fmt.Sprintf("Accept: %v", err)
		} else if err == nil {
			m.refused = ""
		}
	case "wait":
		time.Sleep(wait)
		(*k).expire()
	case "reboot", "kill":
		if step == "reboot" {
			d.boots++
			d.set = 0 // the hardware's clock was right
		}
		time.Sleep(wait)
		*k = d.open()
		if st := (*k).Status(); step == "reboot" && m.set && !m.until.IsZero() && (st == nil || st.State != reconcile.TrialPending) {
			m.until = time.Now()
		}
		m.set = m.set && step == "kill"
	case "clock":
		d.set = time.Duration(n-15) * time.Hour
		(*k).o.Clock, m.set = d.clock(), true
	}
	return ""
}
