package finding

import (
	"slices"
	"time"
)

// Severity says how much a finding matters.
type Severity string

// The severities.
const (
	// Low: the policy is in force; a part of the file has no effect.
	Low Severity = "low"
	// Medium: something is not covered, or will not be told.
	Medium Severity = "medium"
	// High: the kernel is not as the file says.
	High Severity = "high"
)

// Weight orders severities: the higher, the more they matter; -1 for a word that is none.
func (s Severity) Weight() int { return slices.Index([]Severity{Low, Medium, High}, s) }

// Effect is what a finding does to the daemon's state.
type Effect string

// The effects.
const (
	// Warns: the state stays what it is.
	Warns Effect = "warns"
	// Degrades: the state is degraded, though what the kernel holds is what the last
	// good file and the last known facts come to.
	Degrades Effect = "degrades"
	// NotInForce: the state is degraded, and something that the file says is not in
	// force.
	NotInForce Effect = "not_in_force"
)

// Pass is what a finding says of the last pass that brought the kernel to the policy.
type Pass string

// The results of a pass. A finding that says nothing of one has none.
const (
	// Failed: the pass could not be done and is tried again.
	Failed Pass = "failed"
	// Contested: another program wrote at the same time; the pass is tried again.
	Contested Pass = "contested"
)

// Kind is what is known of a code.
type Kind struct {
	Code     Code
	Severity Severity
	Effect   Effect
	// Pass says how the last pass ended, if this finding is about a pass.
	Pass Pass
	// After is how long the condition lasts before it is told.
	After time.Duration
	// Means is what the code means, for the manual.
	Means string
	// Fix is what to do about it, for the manual.
	Fix string
}

// Degrades reports whether the state is degraded for it.
func (k Kind) Degrades() bool { return k.Effect == Degrades || k.Effect == NotInForce }

// FailedPass reports whether it says that the last pass did not succeed.
func (k Kind) FailedPass() bool { return k.Pass != "" }

// KindOf returns the table's row of the code. A code that is not in the table is a
// warning of which nothing is known: a newer daemon may have sent it.
func KindOf(c Code) Kind {
	for _, k := range Kinds() {
		if k.Code == c {
			return k
		}
	}
	return Kind{Code: c, Severity: Medium, Effect: Warns}
}
