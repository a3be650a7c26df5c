package explain

import (
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// The verdicts: what happens to the packet, not how it is refused.
const (
	Allow   = "allow"
	Deny    = "deny"
	Unknown = "unknown"
)

// Answer is the answer to a query.
type Answer struct {
	Verdict string `json:"verdict"`
	// Policy is the block or default that decided, the name of a framing rule
	// (direct, hold, spoofed, loopback.martian), or "none": dockwall does not
	// judge it.
	Policy   rules.Subject `json:"policy"`
	Position string        `json:"position"`
	// Code names the reason where there is one besides the policy:
	// docker_api_no_tls, or empty.
	Code string `json:"code,omitempty"`
	// Meaning is the answer in a sentence.
	Meaning string `json:"meaning"`
	// Agreed reports whether every way has the same verdict; if not, the verdict is
	// the strictest.
	Agreed bool     `json:"agreed"`
	Hints  []string `json:"hints"`
	// Bugs say where the rules do not do what the policy means.
	Bugs []string `json:"bugs,omitempty"`
	Ways []Way    `json:"ways"`
}

// conclude sums the ways up.
func (r *Answer) conclude(s netinfo.Snapshot) {
	by := &r.Ways[0]
	r.Agreed = true
	for i := range r.Ways {
		w := &r.Ways[i]
		if w.Verdict != r.Ways[0].Verdict {
			r.Agreed = false
		}
		if stricter(w.Verdict, by.Verdict) || w.Verdict == by.Verdict && by.Policy == None() && w.Policy != None() {
			by = w
		}
		if w.bug != "" {
			r.Bugs = append(r.Bugs, w.bug)
		}
	}
	r.Verdict, r.Policy, r.Position = by.Verdict, by.Policy, by.Position
	if by.Verdict == Deny && by.class == policy.ClassNoTLS {
		r.Code = string(by.class)
	}
	r.Meaning = by.sentence(s, r.places(by))
}

// stricter reports whether a is stricter than b.
func stricter(a, b string) bool {
	rank := map[string]int{Allow: 0, Unknown: 1, Deny: 2}
	return rank[a] > rank[b]
}
