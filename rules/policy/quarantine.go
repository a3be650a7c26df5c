package policy

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// Quarantine is a quarantine block: it closes containers on which a check of the audit
// fails, in both directions.
type Quarantine struct {
	Name string
	// On are the IDs of the checks, sorted.
	On []string
	// Except are containers that stay open; if empty, there are none.
	Except []*Selector
	Origin rules.Origin
}

// Holds reports whether the block is about the container itself: a check of On fails on
// it, and it was not released. Except is not looked at, nor are containers that share its
// network.
func (q *Quarantine) Holds(c netinfo.Container) bool {
	return !c.Released && slices.ContainsFunc(c.Findings, func(id string) bool { return slices.Contains(q.On, id) })
}

func (q *Quarantine) entry() Entry {
	return Entry{Kind: rules.KindQuarantine, Name: q.Name, Origin: q.Origin, Spared: &q.Except}
}
