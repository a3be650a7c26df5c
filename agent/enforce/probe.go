package enforce

import (
	"context"
	"time"

	"dockwall/rules"
	"dockwall/rules/compile"
)

// maxGlance is at how many sets a glance looks: the kernel takes some microseconds
// for each.
const maxGlance = 16

// glanced remembers which sets a glance looks at, for one ruleset.
type glanced struct {
	of   *rules.Ruleset
	sets []string
}

// Probe looks between passes whether another program has changed the kernel: a
// cheap look, or with all a full one.
func (t *Target) Probe(ctx context.Context, all bool) (changed bool, err error) {
	if t.o.Prober == nil || !t.belief.known() {
		return false, nil
	}
	t.ensureIsolation()
	if f := t.backend.failed; f.family != 0 && !time.Now().Before(f.due) {
		return true, nil
	}
	return t.o.Prober.Probe(ctx, t.belief.state, all)
}

// Glances reports whether there are sets whose loss opens something, at which
// Glance is to look more often.
func (t *Target) Glances() bool {
	if !t.belief.known() || t.belief.ruleset == nil || t.backend.inline() {
		return false
	}
	if t.glanced.of != t.belief.ruleset {
		t.glanced = glanced{t.belief.ruleset, compile.Unguarded(*t.belief.ruleset)}
	}
	return len(t.glanced.sets) > 0
}

// Glance is Probe for these sets alone.
func (t *Target) Glance(ctx context.Context) (changed bool, err error) {
	if t.o.Prober == nil || !t.belief.known() {
		return false, nil
	}
	some := t.backend.chosen.Sets(t.belief.state, t.glanced.sets, maxGlance)
	return t.o.Prober.Probe(ctx, some, false)
}
