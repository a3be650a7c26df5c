package watch

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-hclog"

	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// each is up to how many changes of one judgement are logged one by one. More of them
// are logged by check, with how many subjects each has.
const each = 50

// tell logs the changes: failures at or above failOn as warnings.
func (w *Watch) tell(changes []change, failOn finding.Severity) {
	if len(changes) <= each {
		for _, c := range changes {
			w.o.Log.Log(w.level(c, failOn), heading(c.come), "check", c.check, "severity", string(w.book.severity[c.check]), "subject", c.subject.String(), "detail", c.detail)
		}
		return
	}
	for len(changes) > 0 {
		first, n := changes[0], 0
		var names []string
		rest := changes[:0:0]
		for _, c := range changes {
			if c.check != first.check || c.come != first.come {
				rest = append(rest, c)
				continue
			}
			if n++; n <= 6 {
				names = append(names, c.subject.String())
			}
		}
		if n > len(names) {
			names = append(names, fmt.Sprintf("%d more", n-len(names)))
		}
		w.o.Log.Log(w.level(first, failOn), heading(first.come), "check", first.check, "severity", string(w.book.severity[first.check]), "subjects", strings.Join(names, ", "))
		changes = rest
	}
}

func heading(come bool) string {
	if come {
		return "finding"
	}
	return "finding gone"
}

func (w *Watch) level(c change, failOn finding.Severity) hclog.Level {
	if c.come && rules.AtLeast(w.book.severity[c.check], failOn) {
		return hclog.Warn
	}
	return hclog.Info
}
