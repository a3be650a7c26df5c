package undo

import (
	"fmt"
	"time"

	"dockwall/agent/reconcile"
)

// Countdown says in words how a trial stands.
func Countdown(t reconcile.Trial, now time.Time) string {
	at := t.Deadline.Local().Format(time.TimeOnly)
	if t.State == reconcile.TrialUnconfirmed {
		return fmt.Sprintf("%s was not confirmed, and went back at %s", t.File, t.Deadline.Local().Format(time.DateTime))
	}
	left := max(t.Deadline.Sub(now), 0).Round(time.Second)
	return fmt.Sprintf("%s goes back by itself at %s, in %s, unless you run agentctl confirm", t.File, at, left)
}
