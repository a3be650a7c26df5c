package watch

import (
	"fmt"

	"dockwall/agent/cli/view"
	"dockwall/rules/finding"
)

// audit is how the audit stands, in one line.
func (r *statusResult) audit() string {
	a := r.Status.Audit
	if a == nil {
		return ""
	}
	text := fmt.Sprintf("%d high, %d medium, %d low, %d unknown, %d waived", a.Failed(finding.High), a.Failed(finding.Medium), a.Failed(finding.Low), a.Unknown, a.Waived)
	if a.At.IsZero() {
		return text + "; the whole host was not judged yet"
	}
	return text + "; whole host: " + r.moment(a.At)
}

// findings prints the worst of what the audit found.
func (r *statusResult) findings(p *view.Printer) {
	a := r.Status.Audit
	if a == nil || a.Failed(finding.High) == 0 {
		return
	}
	p.Printf("\n%s\n", p.Bold(view.Count(a.Failed(finding.High), "finding")+" of high severity"))
	shown := 0
	for _, f := range a.Worst {
		if f.Severity == finding.High {
			p.Printf("  %-34s %s\n", view.Printable(f.Check), view.Printable(f.Subject.String()))
			shown++
		}
	}
	if more := a.Failed(finding.High) - shown; more > 0 {
		p.Printf("  and %d more\n", more)
	}
	p.Printf("  agentctl audit says what to do\n")
}
