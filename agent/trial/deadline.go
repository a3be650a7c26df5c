package trial

import "time"

// Deadline is when a trial ends.
type Deadline struct {
	Began time.Time     `json:"began"`
	Lasts time.Duration `json:"lasts_ns"`
	// Boot is the boot in which it began, and Ends when it ends in the time of
	// that boot.
	Boot string        `json:"boot"`
	Ends time.Duration `json:"ends_ns"`
}

// NewDeadline is one that long from now.
func NewDeadline(c Clock, lasts time.Duration) Deadline {
	return Deadline{Began: c.Now().Round(0), Lasts: lasts, Boot: c.Boot, Ends: c.Up() + lasts}
}

// Left is how long there is left; 0 where it is over.
func (d Deadline) Left(c Clock) time.Duration {
	if c.Boot == d.Boot {
		return min(max(d.Ends-c.Up(), 0), d.Lasts)
	}
	// After a reboot the time of day is all there is. Where it has gone back
	// it is unknown how long it was, and the trial is over.
	gone := c.Now().Sub(d.Began)
	if gone < 0 {
		return 0
	}
	return max(d.Lasts-gone, 0)
}

// At is when it ends, in the time of day as it is now.
func (d Deadline) At(c Clock) time.Time { return c.Now().Round(0).Add(d.Left(c)) }
