package enforce

import (
	"context"
	"errors"
	"slices"

	"dockwall/rules"
	"dockwall/rules/compile"
)

// Rest is what a pass on trial leaves to the confirmation, because the steps that
// lead back do not cover it.
type Rest struct {
	// Variant is the name of the backend that was written with.
	Variant string `json:"variant"`
	// Frames is the table of the bridges.
	Frames rules.Frames `json:"frames"`
	// Isolated are the bridges on which containers are isolated from each other; all
	// others need not be shown to the rules any more.
	Isolated []string `json:"isolated,omitempty"`
}

// Rest is what is left to do after a pass on trial.
func (t *writer) Rest() Rest {
	r := Rest{Frames: t.frames()}
	if t.backend.chosen != nil {
		r.Variant = t.backend.chosen.Name()
	}
	isolated := compile.Isolated(t.policy, t.snapshot)
	for _, n := range t.snapshot.Networks {
		if n.Bridge != "" && isolated != nil && isolated(n.Bridge) {
			r.Isolated = append(r.Isolated, n.Bridge)
		}
	}
	return r
}

// Finish does what a confirmed trial left.
func (t *writer) Finish(ctx context.Context, r Rest) error {
	errs := []error{t.o.Chooser.RemoveOther(ctx, r.Variant)}
	if t.o.Frames != nil {
		if _, err := t.o.Frames.Put(r.Frames, false); err != nil && !errors.Is(err, rules.ErrNoFrames) {
			errs = append(errs, err)
		}
	}
	if t.o.Bridges != nil {
		var isolated func(string) bool
		if len(r.Isolated) > 0 {
			isolated = func(bridge string) bool { return slices.Contains(r.Isolated, bridge) }
		}
		errs = append(errs, t.o.Bridges.Show(isolated), t.o.Bridges.Settle())
	}
	return errors.Join(errs...)
}
