package enforce

import (
	"context"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// Difference is what separates the kernel from a policy.
type Difference struct {
	Plan plan.Plan
	// Want is the ruleset that the policy comes to on this host, without what the host
	// lacks.
	Want rules.Ruleset
	// Have is what the kernel holds, as Backend reads it.
	Have    backend.State
	Backend backend.Backend
}

// prepared is a comparison, with the ruleset before anything was left out of it.
type prepared struct {
	ruleset rules.Ruleset
	without []rules.VerdictKind
	plan    plan.Plan
	// next is the state after the plan.
	next backend.State
}

// Compare reads the kernel and compares it with the policy on these facts. It
// changes nothing. Apply starts from it.
func (t *Target) Compare(ctx context.Context, s netinfo.Snapshot) (Difference, error) {
	t.snapshot, t.prepared = s, nil
	if err := t.choose(ctx, false); err != nil {
		return Difference{}, &Problem{finding.Backend, err}
	}
	rs, err := t.compile()
	if err != nil {
		return Difference{}, err
	}
	want := rs.Without(t.belief.without...)
	err = t.observe(ctx, want, &Result{})
	if err != nil && t.leaveOut(ctx, err) {
		err = t.observe(ctx, want, &Result{})
	}
	if err != nil {
		return Difference{}, err
	}
	p, next := t.backend.chosen.Diff(want, t.belief.state)
	t.prepared = &prepared{rs, t.belief.without, p, next}
	return Difference{p, want, t.belief.state, t.backend.chosen}, nil
}
