package enforce

import (
	"context"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// Difference is what separates the kernel from a policy.
type Difference struct {
	Plan plan.Plan
	// Want is the ruleset that the policy comes to on this host, without what the host
	// lacks.
	Want rules.Ruleset
	// Have is what the kernel holds, and Options say how rules are written there.
	Have    iptables.State
	Options iptables.Options
}

// Compare reads the kernel and compares it with the policy on these facts. It
// changes nothing. A pass on the same facts starts from what it read.
func (t *Target) Compare(ctx context.Context, s netinfo.Snapshot) (Difference, error) {
	t.snapshot = s
	if err := t.choose(ctx); err != nil {
		return Difference{}, &Problem{finding.Backend, err}
	}
	rs, err := t.compile()
	if err != nil {
		return Difference{}, err
	}
	rs = rs.Without(t.belief.without...)
	if err := t.observe(ctx, rs, &Result{}); err != nil {
		return Difference{}, err
	}
	return Difference{iptables.Diff(rs, t.belief.state, t.backend.options), rs, t.belief.state, t.backend.options}, nil
}
