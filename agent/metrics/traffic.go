package metrics

import "time"

// Traffic is how much a policy of the rules in force decided on since the agent
// started.
type Traffic struct {
	// Policy is the block; Verdict is allow or deny.
	Policy, Verdict string
	Packets, Bytes  uint64
}

// counted is what a look at the kernel came to.
type counted struct {
	at  time.Time
	all []Traffic
}

// Traffic is what the policies in force decided on, and when that was counted
// (zero: never yet). It has the kernel looked at, and where that takes longer
// than patience, returns what the look before came to.
func (m *Metrics) Traffic(patience time.Duration) ([]Traffic, time.Time) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// One reading at a time: a scrape that comes during one takes the last.
		if m.reading.TryLock() {
			defer m.reading.Unlock()
			m.look()
		}
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	if c := m.counted.Load(); c != nil {
		return c.all, c.at
	}
	return nil, time.Time{}
}

// inForce are the totals of the policies that had rules at the last look.
func (t *tally) inForce() []Traffic {
	now := map[decided]bool{}
	for k := range t.last {
		now[decided{k.policy, verdictWord(k.verdict)}] = true
	}
	var all []Traffic
	for _, each := range t.sorted() {
		if now[each.decided] {
			all = append(all, Traffic{each.policy, each.verdict, each.packets, each.bytes})
		}
	}
	return all
}
