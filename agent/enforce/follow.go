package enforce

import (
	"context"

	"dockwall/rules/finding"
)

// follow is the short path for the most frequent change: containers started,
// ended or changed, and nothing else did. Then only members of sets move, and which
// is known without compiling, comparing and reading again. done is false if
// something else changed; then nothing was done.
func (t *Target) follow(ctx context.Context, r *Result) (done bool, err error) {
	if t.belief.phase != InForce || t.backend.untidy || t.backend.inline() {
		return false, nil
	}
	moves, differs, ok := t.compiler.Follow(t.snapshot)
	if !ok {
		return false, nil
	}
	t.compiled.followed = t.compiled.followed || differs
	if len(moves) == 0 {
		return true, nil
	}
	p, ok := t.backend.chosen.Move(moves, t.belief.state)
	if !ok {
		t.belief.forget()
		return false, nil
	}
	r.Plan = p
	if err := t.before(p); err != nil {
		return false, err
	}
	if err := t.o.Kernel.Run(ctx, p); err != nil {
		return false, err
	}
	r.Ran, r.Changed = true, len(p.Changes) > 0
	t.belief.behind = true
	t.cut(p, t.compiler.Ruleset)
	return true, nil
}

// catchUp makes the ruleset in force what following has come to, before the compiler
// goes on to another.
func (t *Target) catchUp() {
	if t.belief.behind {
		rs := t.compiler.Ruleset().Without(t.belief.without...)
		t.belief.ruleset, t.belief.behind = &rs, false
	}
}

// Followed reports whether containers have changed since the problems were found.
func (t *Target) Followed() bool { return t.compiled.followed }

// ProblemsLater finds what does not fit between the policy and the containers. That
// takes longer than a container should wait, so a goroutine of its own does it.
// Found is told the outcome.
func (t *Target) ProblemsLater() <-chan []finding.Finding {
	t.compiled.followed, t.compiled.since = false, false
	found, find := make(chan []finding.Finding, 1), t.compiler.Problems()
	go func() { found <- find() }()
	return found
}

// Found takes what ProblemsLater found, and reports whether it is still of use: a
// pass may have compiled since.
func (t *Target) Found(problems []finding.Finding) bool {
	if t.compiled.since {
		return false
	}
	t.compiled.problems = problems
	return true
}
