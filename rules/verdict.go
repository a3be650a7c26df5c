package rules

// Verdict is what becomes of a packet that a rule matches.
type Verdict struct {
	Kind VerdictKind `json:"kind"`
	// Chain is where Jump and Goto go.
	Chain string `json:"chain,omitempty"`
	// Group and Prefix are the NFLOG group and prefix of Log. The prefix holds
	// at most 63 bytes (the kernel's NF_LOG_PREFIXLEN is 128, NFLOG's own 64).
	Group  uint16 `json:"group,omitempty"`
	Prefix string `json:"prefix,omitempty"`
}

// VerdictKind is one of the verdicts. There is none that accepts.
type VerdictKind string

// The verdicts.
const (
	// Return leaves the chain, and every chain that was entered by Goto on the
	// way, for the rule after the last Jump.
	Return VerdictKind = "return"
	// Drop discards the packet.
	Drop VerdictKind = "drop"
	// Reject answers TCP with a reset and everything else with port
	// unreachable. In the guard, where nothing can answer, it is Drop. It is
	// rendered as two rules (TCP, the rest).
	Reject VerdictKind = "reject"
	// Jump goes through Chain and comes back for the next rule.
	Jump VerdictKind = "jump"
	// Goto goes through Chain and does not come back here.
	Goto VerdictKind = "goto"
	// Log reports the packet to NFLOG and goes on with the next rule.
	Log VerdictKind = "log"
	// Stamp marks the packet as one that was judged, for the Latch, and goes on
	// with the next rule.
	Stamp VerdictKind = "stamp"
	// Unstamp takes the mark of Stamp off the packet and is Return. Only the latch has it.
	Unstamp VerdictKind = "unstamp"
)

// GoesOn reports whether the next rule comes next, whatever the packet.
func (k VerdictKind) GoesOn() bool { return k == Log || k == Stamp }

// VerdictKinds lists every verdict, for the tests that check that none is forgotten.
func VerdictKinds() []VerdictKind { return append(PolicyVerdicts(), Unstamp) }

// PolicyVerdicts are those that every backend renders, for a compiled policy.
func PolicyVerdicts() []VerdictKind {
	return []VerdictKind{Return, Drop, Reject, Jump, Goto, Log, Stamp}
}
