package reconcile

import (
	"fmt"
	"slices"
	"time"
)

const (
	// pendingCode is the code of the reason that a newer file, or newer facts, are not
	// in force yet.
	pendingCode = "pending"
	// pendingGrace is how long that may take. A pass takes some milliseconds; with
	// lists of a million addresses, some seconds.
	pendingGrace = time.Second
)

// withPending adds the reason that something newer than what is in force is waiting.
func (l *Loop) withPending(st Status) Status {
	n, late := l.pokes.late(pendingGrace)
	if !late || slices.ContainsFunc(st.Reasons, saysWhy) {
		return st
	}
	st.Reasons = append(slices.Clone(st.Reasons), Reason{pendingCode, l.pendingMessage(n)})
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

// saysWhy reports whether the reason is that the last pass failed: then it is known
// why the news are not in force.
func saysWhy(r Reason) bool {
	return slices.Contains([]string{"facts", "backend", "apply", contested}, r.Code)
}
