package audit

import (
	"time"

	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// Summary is how an audit that goes on stands. It stays small however many containers
// there are.
type Summary struct {
	// At is when the whole host was judged last; zero before the first time.
	At time.Time `json:"at,omitzero"`
	// Findings are the checks that fail somewhere, the worst first. What a waiver accepts
	// is not among them.
	Findings []Count `json:"findings"`
	// Worst are the most severe failures one by one, at most Shown of them.
	Worst []Failure `json:"worst"`
	// Waived and Unknown are how many findings are accepted, and could not be decided.
	Waived  int `json:"waived"`
	Unknown int `json:"unknown"`
}

// Shown is how many failures a summary names one by one.
const Shown = 10

// Count is how many failures of a check there are.
type Count struct {
	Check    string           `json:"check"`
	Severity finding.Severity `json:"severity"`
	Count    int              `json:"count"`
}

// Failure is a check that fails on one subject.
type Failure struct {
	Check    string           `json:"check"`
	Severity finding.Severity `json:"severity"`
	Subject  rules.Subject    `json:"subject"`
}

// Failed is how many failures of the severity there are.
func (s *Summary) Failed(severity finding.Severity) int {
	n := 0
	for _, c := range s.Findings {
		if c.Severity == severity {
			n += c.Count
		}
	}
	return n
}
