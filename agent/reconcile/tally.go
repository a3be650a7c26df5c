package reconcile

import (
	"time"

	"github.com/hashicorp/go-hclog"
)

// tallyTime is how often the changes that containers make are logged at most. A short
// container makes four: a host that starts one a second would log nothing else.
const tallyTime = time.Minute

// tally counts the changes that containers and interfaces made since the last line.
type tally struct {
	// due is when the next line is; zero if nothing was counted.
	due                     time.Time
	changes, rules, members int
	last                    string
}

// add counts one change.
func (t *tally) add(c Change) {
	if t.changes == 0 {
		t.due = c.At.Add(tallyTime)
	}
	t.changes++
	t.rules += c.Rules
	t.members += c.Members
	t.last = c.Cause
}

// log writes the line if it is due.
func (t *tally) log(now time.Time, log hclog.Logger) {
	if t.changes == 0 || now.Before(t.due) {
		return
	}
	log.Info("kernel changed for containers and interfaces", "changes", t.changes, "rules", t.rules, "members", t.members, "last_cause", t.last)
	*t = tally{}
}
