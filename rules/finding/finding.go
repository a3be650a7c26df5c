package finding

import (
	"cmp"
	"slices"

	"dockwall/rules"
)

// Code names a kind of finding. It is stable, for tools.
type Code string

// Finding is one thing that the operator should know. Nothing is opened because of
// one.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity,omitempty"`
	// Subject is what the finding is about: "container web", "network shop",
	// "interface eth1", "containers.db"; empty if the host.
	Subject string `json:"subject,omitempty"`
	// Message is the finding in a sentence.
	Message string `json:"message"`
	// Fix is what to do about it; empty if the message says so.
	Fix string `json:"fix,omitempty"`
	// Origin is the block that it concerns; zero if none.
	Origin rules.Origin `json:"origin,omitzero"`
}

// New returns a finding about the host, with the table's severity.
func New(c Code, message string) Finding {
	return Finding{Code: c, Severity: KindOf(c).Severity, Message: message}
}

// About returns the finding with its subject.
func (f Finding) About(subject string) Finding {
	f.Subject = subject
	return f
}

// At returns the finding with the block that it concerns.
func (f Finding) At(o rules.Origin) Finding {
	f.Origin = o
	return f
}

// WithFix returns the finding with the table's advice.
func (f Finding) WithFix() Finding {
	f.Fix = KindOf(f.Code).Fix
	return f
}

// Kind is the table's row for the finding's code.
func (f Finding) Kind() Kind { return KindOf(f.Code) }

// Sort sorts findings by their place in the file, then by code and message, and
// drops duplicates.
func Sort(fs []Finding) []Finding {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Origin.File, b.Origin.File), cmp.Compare(a.Origin.Line, b.Origin.Line),
			cmp.Compare(a.Code, b.Code), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(fs)
}

// With reports whether one of the findings has the property.
func With(fs []Finding, is func(Kind) bool) bool {
	return slices.ContainsFunc(fs, func(f Finding) bool { return is(f.Kind()) })
}
