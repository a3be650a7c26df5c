package ask

import (
	"dockwall/agent/cli/view"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
)

// Meaning says who gains and who loses when what the kernel holds gives way to
// the ruleset. The policy has the names for them.
type Meaning func(before Before, after rules.Ruleset, s netinfo.Snapshot, names policy.Policy) (meaning.Difference, error)

// Before is what the kernel holds, and how rules are written there.
type Before struct {
	State   backend.State
	Backend backend.Backend
}

// Mean is the Meaning that System uses.
func Mean(before Before, after rules.Ruleset, s netinfo.Snapshot, names policy.Policy) (meaning.Difference, error) {
	old, foreign := before.Backend.Ruleset(before.State)
	d := meaning.Compare(old, after, s, meaning.Options{Policy: names})
	if foreign > 0 {
		d.LeftOut = append(d.LeftOut, view.Count(foreign, "rule")+" in dockwall's chains that dockwall did not write")
	}
	return d, nil
}
