package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"dockwall/rules"
	"dockwall/rules/audit"
	"dockwall/rules/policy"
)

// Audit is the audit block.
type Audit struct {
	// Every is how often agentd judges the whole host.
	Every  time.Duration
	FailOn string // low, medium, high: from which severity a failure counts
	// Registries are those that images may come from; any if empty.
	Registries []string
	Skips      []Skip
}

// Skip is a skip block: a check that may fail.
type Skip struct {
	ID string
	// Of are the containers for which it may; everywhere if empty.
	Of []*policy.Selector
	// Reason is why that is accepted.
	Reason string
	// Until is the last day on which it is, 2027-06-30; empty if it has no end.
	Until  string
	Origin rules.Origin
}

// AuditOf is the audit block of the document; the defaults if there is no document, or if
// an earlier version kept it, which did not keep that block.
func AuditOf(doc *Document) Audit {
	if doc == nil || doc.Audit.Every == 0 {
		return defaultAudit()
	}
	return doc.Audit
}

// defaultAudit holds where there is no audit block.
func defaultAudit() Audit { return Audit{Every: 24 * time.Hour, FailOn: "medium"} }

// The bounds of every: an audit reads every container and image. What changes is judged
// at once, so that a rare one loses little.
const (
	minEvery = time.Minute
	maxEvery = 30 * 24 * time.Hour
)

// skipKind is the block inside of audit.
func skipKind() kind {
	return kind{"skip", checkID, []attribute{
		{name: "of", empty: "Everywhere: leave it out."},
		{name: "reason", needed: `Say why it is accepted that the check fails: reason = "…".`},
		{name: "until"},
	}, nil}
}

// audit decodes the audit block.
func (d *decoder) audit(s *section) {
	a := &d.doc.Audit
	s.enum("fail_on", &a.FailOn, "low", "medium", "high")
	var every string
	s.checked("every", &every, func(v string) *problem {
		d, p := parseBetween("every", v, minEvery, maxEvery)
		if p == nil {
			a.Every = d
		}
		return p
	})
	a.Registries = s.texts("registries", checkRegistry)
	for _, b := range s.hcl.Body.Blocks {
		if b.Type != skipKind().name {
			continue // checkAttributes has reported it
		}
		n := &section{d: d, src: s.src, kind: skipKind(), hcl: b}
		n.checkLabels()
		n.checkAttributes()
		a.Skips = append(a.Skips, n.skip())
	}
}

// skip decodes a skip block.
func (s *section) skip() Skip {
	k := Skip{ID: s.name, Of: s.containers("of"), Origin: rules.Origin{File: s.src.rel, Line: s.hcl.TypeRange.Start.Line}}
	s.checked("reason", &k.Reason, func(v string) *problem {
		if strings.TrimSpace(v) == "" {
			return &problem{"The reason is empty", "Say why it is accepted that the check fails."}
		}
		return nil
	})
	s.checked("until", &k.Until, func(v string) *problem {
		if _, err := time.Parse(time.DateOnly, v); err != nil {
			return &problem{fmt.Sprintf("%q is not a day", v), `Write the last day on which it is accepted as "2027-06-30".`}
		}
		return nil
	})
	return k
}

// checkCheckID wants the ID of a check.
func checkCheckID(id string) *problem {
	if _, ok := audit.Find(id); ok {
		return nil
	}
	hint := didYouMean(id, audit.IDs(), inQuotes)
	if hint == "" {
		hint = "agentctl audit --json lists the IDs of all checks."
	}
	return &problem{fmt.Sprintf("There is no check %q", id), hint}
}

var registryName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]{1,5})?$`)

func checkRegistry(v string) *problem {
	if registryName.MatchString(v) {
		return nil
	}
	return &problem{fmt.Sprintf("%q is not a registry", v), `Write its host, and the port if it has one: "registry.example.com:5000". Docker Hub is "docker.io".`}
}

// nested reports whether the kind may hold blocks of this name.
func (k kind) nested(name string) bool {
	return k.name == "audit" && slices.Contains([]string{skipKind().name}, name)
}
