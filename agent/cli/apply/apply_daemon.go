package apply

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"dockwall/agent/cli/ask"
	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/reconcile"
	"dockwall/rules/finding"
)

const (
	// applyWait is how long the daemon may take; applyLook is how often it is
	// asked.
	applyWait = 30 * time.Second
	applyLook = 25 * time.Millisecond
	// applyPatience is how long it may fail until then: one pass that meets a
	// reload of another firewall says little, the next succeeds.
	applyPatience = 3 * time.Second
)

// applyByDaemon has the running daemon put the file in force, or on trial, and
// waits for it. It notes what there was to change before.
func (a *app) applyByDaemon(ctx context.Context, d *ask.Daemon, doc *config.Document, f applyFlags, r *applyResult) error {
	if f.snapshot != "" {
		return fmt.Errorf("agentd runs with the host's own facts: --snapshot cannot be applied beside it")
	}
	candidate, err := a.candidate(d, f)
	if err != nil {
		return err
	}
	snap, err := a.applicable(ctx, doc, f)
	if err != nil {
		return err
	}
	t := a.Target(doc.Settings, nil)
	diff, err := a.compare(ctx, t, doc, snap)
	if err != nil {
		return err
	}
	if err := a.mindSession(doc, snap, diff, f); err != nil {
		return err
	}
	r.difference = a.meansIfAttended(diff, snap, doc, f)
	r.changed(diff.Plan)
	r.Limits = limits(t)
	if f.trial {
		r.Trial, err = tryFile(ctx, d, control.Trying{Lasts: f.confirm, Candidate: candidate})
		return err
	}
	return reload(ctx, d, f.unattended)
}

// candidate is the file that agentd is to try in the place of its own; empty
// where the file is agentd's.
func (a *app) candidate(d *ask.Daemon, f applyFlags) (string, error) {
	own := d.Status.Config.Path
	switch {
	case ask.SameFile(own, a.Config):
		return "", nil
	case !f.trial:
		return "", fmt.Errorf("agentd runs with %s and would undo what %s says: change that file, try this one with --confirm, or stop agentd first", own, a.Config)
	case !ask.SameFile(filepath.Dir(own), filepath.Dir(a.Config)):
		return "", fmt.Errorf("agentd runs with %s: a file that is to be tried in its place has to lie beside it (cp %s %s/)", own, a.Config, filepath.Dir(own))
	}
	return filepath.Join(filepath.Dir(own), filepath.Base(a.Config)), nil
}

// reload has the daemon read its file again, and waits until it has and the
// kernel is accordingly. A file that was not confirmed is accepted only if an operator
// asks for it, not from what runs unattended.
func reload(ctx context.Context, d *ask.Daemon, unattended bool) error {
	return awaited(ctx, d, func(ctx context.Context) error {
		if !unattended && d.Status.Trial != nil {
			if err := d.Client.Accept(ctx); err != nil {
				return err
			}
		}
		return d.Client.Reload(ctx)
	})
}

// try has the daemon put a file on trial, and waits until it is in force; nil if
// that would change nothing.
func tryFile(ctx context.Context, d *ask.Daemon, what control.Trying) (t *reconcile.Trial, err error) {
	err = awaited(ctx, d, func(ctx context.Context) error {
		if err := d.Client.Try(ctx, what, &t); err != nil {
			return err
		}
		if t == nil {
			return errNothingToAwait
		}
		return nil
	})
	if errors.Is(err, errNothingToAwait) {
		return nil, nil
	}
	return t, err
}

// errNothingToAwait ends awaited: what was asked changes nothing.
var errNothingToAwait = errors.New("nothing to wait for")

// awaited asks the daemon for something, and waits until it has read its files
// again and the kernel is accordingly.
func awaited(ctx context.Context, d *ask.Daemon, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, applyWait)
	defer cancel()
	if err := d.Refresh(ctx); err != nil {
		return err
	}
	before := d.Status.Config.LoadedAt
	if err := ask(ctx); err != nil {
		return err
	}
	var failing time.Time // since when
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("agentd was asked to read its file again, and has not put it in force after %s%s", applyWait, reasonsOf(d))
		case <-time.After(applyLook):
		}
		if err := d.Refresh(ctx); err != nil {
			return err
		}
		st := d.Status
		if st.Config.LoadedAt.Equal(before) {
			continue // not read yet, or read with errors
		}
		if st.AppliedAt.After(st.Config.LoadedAt) {
			return nil
		}
		switch {
		case !finding.With(st.Reasons, keepsFromApplying):
			failing = time.Time{}
		case failing.IsZero():
			failing = time.Now()
		case time.Since(failing) > applyPatience:
			return fmt.Errorf("agentd could not put the file in force, and goes on trying%s", reasonsOf(d))
		}
	}
}

// keepsFromApplying reports whether a reason means that the last pass failed, and not
// because another program wrote at the same time.
func keepsFromApplying(k finding.Kind) bool { return k.Pass == finding.Failed }

// why is what the daemon says about its state, to end a sentence with.
func reasonsOf(d *ask.Daemon) string {
	s := ""
	for _, r := range d.Status.Reasons {
		s += ": " + r.Message
	}
	return s
}
