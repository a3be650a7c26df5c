package audit

import (
	"fmt"
	"slices"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
	"dockwall/rules/policy"
)

// Settings are what the operator's file says to the audit on the day, 2026-11-30. The
// file may be nil, if there is none without errors. Enforced is why it is not known that
// the file is in force; empty if it is.
func Settings(doc *config.Document, today, enforced string) rules.Settings {
	s := rules.Settings{Today: today}
	if doc == nil {
		return s
	}
	s.Isolated, s.Enforced, s.Registries = isolation(doc.Policy), enforced, doc.Audit.Registries
	for _, k := range doc.Audit.Skips {
		skip := rules.Skip{ID: k.ID, Reason: k.Reason, Until: k.Until, Position: fmt.Sprintf("%s:%d", k.Origin.File, k.Origin.Line)}
		if len(k.Of) > 0 {
			skip.Of = func(c *inventory.Container) bool { return selected(k.Of, c) }
		}
		s.Skips = append(s.Skips, skip)
	}
	return s
}

// selected reports whether a containers block selects the container. One that names
// networks selects those on one of them.
func selected(selectors []*policy.Selector, c *inventory.Container) bool {
	return slices.ContainsFunc(selectors, func(s *policy.Selector) bool {
		return s.Match(netinfo.Container{ID: c.ID, Name: c.Name, Image: c.Image, Labels: c.Labels}) &&
			(len(s.Networks) == 0 || slices.ContainsFunc(c.Networks, s.OnNetwork))
	})
}

// isolation reports whether the policy denies connections between containers of a
// network.
func isolation(p policy.Policy) func(network string) bool {
	return func(network string) bool {
		action := p.Defaults.Between
		for _, n := range p.Networks {
			if n.Name == network && n.Between != "" {
				action = n.Between
			}
		}
		return action == policy.Deny
	}
}
