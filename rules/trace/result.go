package trace

import "dockwall/rules"

// Verdict is what a walk ends with.
type Verdict string

// The ends of a walk. Undecided stands where the walk hung on a field that the
// caller does not know, or where the ruleset or the packet is malformed.
const (
	Pass      Verdict = "pass"
	Drop      Verdict = "drop"
	Reject    Verdict = "reject"
	Undecided Verdict = "unknown"
)

// Result is what becomes of a packet, and the walk to it.
type Result struct {
	Verdict Verdict `json:"verdict"`
	// Decided is the rule that ended the walk; nil if the packet fell off
	// the end of the hooked chain, where nothing is hooked, and where Undecided.
	Decided *Step `json:"decided,omitempty"`
	// Reason is why the verdict is Undecided; empty otherwise.
	Reason string `json:"reason,omitempty"`
	// Steps are the rules that the packet was held against, in order. Verdict
	// leaves them out.
	Steps []Step `json:"steps,omitempty"`
}

// Step is one rule that a packet was held against.
type Step struct {
	Chain string `json:"chain"`
	// Index counts from 0 in the chain.
	Index int `json:"index"`
	// Rule is the ruleset's own; its matches are not part of the JSON.
	Rule    *rules.Rule   `json:"-"`
	Verdict rules.Verdict `json:"verdict"`
	Origin  rules.Origin  `json:"origin"`
	Outcome Outcome       `json:"outcome"`
	// Missed is the first match that did not hold, in words; or, where the
	// outcome is unknown, the first one that cannot be told.
	Missed string `json:"missed,omitempty"`
}
