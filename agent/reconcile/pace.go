package reconcile

import (
	"context"
	"time"
)

// pace says when the next pass may begin.
type pace struct {
	last       time.Time // when the last pass ended
	lastKernel time.Time // when one that read the kernel ended
	lastRepair time.Time
	streak     int           // repairs that came within a second of each other
	insisting  time.Duration // what to wait between repairs, while others insist
	failures   int
}

// wait holds a pass until it may begin; false if ctx ended.
func (p *pace) wait(ctx context.Context, pk *pokes) bool {
	for {
		pk.mu.Lock()
		due := pk.due
		pk.mu.Unlock()
		d := time.Until(p.next(due))
		if d <= 0 {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(d):
		case <-pk.wake:
			// Something more urgent may have come.
		}
	}
}

// next is the earliest time for a pass over these parts. Facts and files do
// not wait for the interval that kernel reads keep.
func (p *pace) next(due Due) time.Time {
	t := p.last.Add(minInterval)
	if due == DueKernel {
		if k := p.lastKernel.Add(max(kernelInterval, p.insisting)); k.After(t) {
			t = k
		}
	}
	return t
}

// after takes note of a pass and says when it is to be tried again, if at all.
func (p *pace) after(due Due, r result) <-chan time.Time {
	now := time.Now()
	p.last = now
	if due&DueKernel != 0 {
		p.lastKernel = now
	}
	switch {
	case !r.Repaired && now.Sub(p.lastRepair) > calm:
		p.insisting, p.streak = 0, 0
	case r.Repaired:
		if now.Sub(p.lastRepair) < time.Second {
			p.streak++
		}
		if p.streak > atOnce {
			p.insisting = min(max(2*p.insisting, kernelInterval), maxBackOff)
		}
		p.lastRepair = now
	}
	if r.err == nil {
		p.failures = 0
		return nil
	}
	d := min(firstRetry<<min(p.failures, 10), maxRetry)
	p.failures++
	return time.After(d)
}
