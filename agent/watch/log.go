package watch

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// each is up to how many changes of one judgement are logged by subject. More of them
// are logged by check, with how many subjects each has.
const each = 50

// heading is what the changes of one line of the log have in common.
type heading struct {
	level hclog.Level
	come  bool
	// about is the subject, or the check if the changes are logged by check.
	about string
}

// tell logs the changes, which are sorted by severity: one line for each subject and
// direction, or for each check if there are many. w.mu is held.
func (w *Watch) tell(changes []change, failOn finding.Severity) {
	bySubject := len(changes) <= each
	var order []heading
	lines := map[heading][]change{}
	for _, c := range changes {
		h := heading{level(c, w.record.severity[c.check], failOn), c.come, c.check}
		if bySubject {
			h.about = c.subject.String()
		}
		if lines[h] == nil {
			order = append(order, h)
		}
		lines[h] = append(lines[h], c)
	}
	for _, h := range order {
		message, of := "finding gone", lines[h]
		if h.come {
			message = "finding"
		}
		severity := string(w.record.severity[of[0].check])
		if bySubject {
			w.o.Log.Log(h.level, message, "subject", h.about, "checks", checks(of), "severity", severity)
		} else {
			w.o.Log.Log(h.level, message, "check", h.about, "severity", severity, "subjects", subjects(of))
		}
	}
}

// checks are the checks of the changes, the most severe first.
func checks(changes []change) string {
	ids := make([]string, len(changes))
	for i, c := range changes {
		ids[i] = c.check
	}
	return strings.Join(ids, ", ")
}

// subjects names some of the changes' subjects, and says how many more there are.
func subjects(changes []change) string {
	const named = 6
	var names []string
	for _, c := range changes[:min(len(changes), named)] {
		names = append(names, c.subject.String())
	}
	if n := len(changes) - named; n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return strings.Join(names, ", ")
}

// level is warn for a failure at or above failOn, info for the end of one, and debug for
// the rest: a container that was removed has ended all of its failures.
func level(c change, severity, failOn finding.Severity) hclog.Level {
	switch {
	case c.removed || !rules.AtLeast(severity, failOn):
		return hclog.Debug
	case c.come:
		return hclog.Warn
	}
	return hclog.Info
}
