package audit

import (
	"slices"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// Skip accepts that a check fails.
type Skip struct {
	ID string `json:"-"`
	// Of reports whether it is accepted for the container; everywhere if nil.
	Of func(*inventory.Container) bool `json:"-"`
	// Reason is why it is accepted.
	Reason string `json:"reason"`
	// Until is the last day on which it is, 2027-06-30; empty if it has no end.
	Until string `json:"until,omitempty"`
	// Position is where it is written, agent.hcl:12.
	Position string `json:"position"`
}

// expired reports whether its last day is over.
func (s *Skip) expired(today string) bool { return s.Until != "" && s.Until < today }

const unusedWaiver = "audit.waiver-unused"

func waiverChecks() []Check {
	return []Check{
		{ID: "audit.waiver-expired", Group: Others, Severity: finding.Medium,
			Title:   "No skip block of agent.hcl has expired",
			Why:     "What was accepted until a day was to be corrected by then.",
			Decides: "until of each skip block, and the day", Fix: "Correct what the check says, and take the block away; or write another day, with its reason.", host: waiverExpired},
		{ID: unusedWaiver, Group: Others, Severity: finding.Low,
			Title:   "Each skip block of agent.hcl accepts something",
			Why:     "A block that accepts nothing today accepts the same failure unseen when it comes back.",
			Decides: "what failed, and the skip blocks", Fix: "Take the block away.", host: waiverUnused},
	}
}

// waive makes failures that a skip accepts Waived, and returns the skips that accept
// nothing, though everything that they could accept was judged.
func (f *facts) waive(found []Finding) (unused []Skip) {
	for i := range f.Skips {
		s := &f.Skips[i]
		if s.expired(f.Today) {
			continue
		}
		used, open := false, !f.wanted(s.ID) || f.Container != ""
		for j := range found {
			k := &found[j]
			if k.ID != s.ID || k.State == Pass || k.State == NotApplicable || !f.covers(s, k.Subject) {
				continue
			}
			open = open || k.State == Unknown
			if k.State == Fail {
				k.State, k.Fix, k.Waiver, used = Waived, "", s, true
			}
			used = used || k.State == Waived
		}
		if !used && !open {
			unused = append(unused, *s)
		}
	}
	return unused
}

// covers reports whether the skip is about the subject. An image is one of the
// containers that use it.
func (f *facts) covers(s *Skip, about Subject) bool {
	if s.Of == nil {
		return true
	}
	return slices.ContainsFunc(f.Containers.Value, func(c inventory.Container) bool {
		switch about.Kind {
		case "container", "service":
			return c.ID == about.ID && s.Of(&c)
		case "image":
			return c.ImageID == about.ID && s.Of(&c)
		}
		return false
	})
}

func waiverExpired(f *facts) verdict {
	if len(f.Skips) == 0 {
		return absent("there is no skip block")
	}
	var over []string
	for _, s := range f.Skips {
		if s.expired(f.Today) {
			over = append(over, s.Position+": "+s.ID+" was accepted until "+s.Until)
		}
	}
	return when(len(over) > 0, list(over), "none has expired")
}

func waiverUnused(f *facts) verdict {
	if len(f.Skips) == 0 {
		return absent("there is no skip block")
	}
	var names []string
	for _, s := range f.unused {
		names = append(names, s.Position+": "+s.ID+" does not fail there")
	}
	return when(len(names) > 0, list(names), "each accepts a failure, or could not be compared")
}
