package reconcile

import (
	"fmt"
	"slices"
	"time"

	"dockwall/rules/finding"
)

// withPending adds the reason that something newer than what is in force is waiting.
func (l *Loop) withPending(st Status) Status {
	// A pass takes some milliseconds; with lists of a million addresses, some seconds.
	n, late := l.pokes.late(finding.KindOf(finding.Pending).After)
	// If the last pass failed, it is known why the news are not in force.
	if !late || finding.With(st.Reasons, finding.Kind.FailedPass) {
		return st
	}
	st.Reasons = append(slices.Clone(st.Reasons), finding.New(finding.Pending, l.pendingMessage(n)))
	if st.State == Enforcing {
		st.State = Degraded
	}
	return st
}

func (l *Loop) pendingMessage(n news) string {
	what := "newer facts about containers and networks are"
	if n.due&DueFile != 0 {
		what = "a newer version of " + l.o.Path + " is"
	}
	message := fmt.Sprintf("%s not in force yet, %s after: %s; until then the rules of before hold", what, time.Since(n.since).Round(100*time.Millisecond), n.cause)
	if l.o.Busy != nil {
		if busy := l.o.Busy(); busy != "" {
			message += ". " + busy
		}
	}
	return message
}
