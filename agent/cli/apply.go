package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/lastgood"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

const (
	// applyTries is how often apply begins anew where somebody else writes at
	// the same time, and applyPause what it waits the first time; the pause
	// doubles.
	applyTries = 5
	applyPause = 50 * time.Millisecond
)

func (a *app) applyCommand() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make the kernel as the file says, once",
		Long: `apply makes the kernel as the file says, and prints what it changed. Where
agentd runs with the same file, it is asked to read the file again instead, and
apply waits until that is in force.

With --confirm 60s it is in force at once and goes back by itself after that
time, unless agentctl confirm is run before. That holds although the terminal is
gone, agentctl or agentd was killed, or the host was rebooted.

  agentctl apply --confirm 60s
  agentctl confirm               # from a new login: it works

agentd puts a file in force when it is saved. A trial of that file goes back to
the policy of before, also where the change is in force already, if it was made
in the last ten minutes. To try a change before anything of it is in force,
write it to another file beside agent.hcl and put that on trial; confirm then
writes it over agent.hcl:

  agentctl --config /etc/dockwall/new.hcl apply --confirm 60s

What is saved during a trial is part of it. An agent.hcl that was not confirmed
stays out of force until its text changes or apply is run again. Without agentd
it is the kernel that goes back: put the file right before agentd is started or
the host is. While a trial is pending there is no other apply.

What would cut the SSH connection that it is typed in is refused, unless it is
on trial or forced.

Exit code: 0 it is so now, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context) (result, error) { return a.apply(ctx, f) }),
	}
	fs := cmd.Flags()
	snapshotFlag(cmd, &f.snapshot)
	fs.BoolVar(&f.full, "full", false, "show every member of long sets, and the guard's chains")
	fs.DurationVar(&f.confirm, "confirm", 0, "go back by itself after this time, unless agentctl confirm is run")
	fs.BoolVar(&f.force, "force", false, "do it although it cuts the SSH connection that this is typed in")
	fs.BoolVar(&f.unattended, "unattended", false, "for units and scripts: leave out of force what was not confirmed")
	fs.BoolVar(&f.saved, "saved-facts", false, "do not ask Docker; take its networks and containers as agentd saved them (for the boot unit)")
	cmd.PreRun = func(*cobra.Command, []string) { f.trial = fs.Changed("confirm") }
	return cmd
}

// applyFlags is the command line of apply.
type applyFlags struct {
	snapshot string
	full     bool
	confirm  time.Duration
	// trial tells that --confirm was given.
	trial      bool
	force      bool
	unattended bool
	// saved: Docker is not asked.
	saved bool
}

func (f applyFlags) check() error {
	switch {
	case f.trial && (f.confirm < control.MinTrial || f.confirm > control.MaxTrial):
		return fmt.Errorf("--confirm %s: a trial lasts from %s to %s", f.confirm, control.MinTrial, control.MaxTrial)
	case f.trial && f.unattended:
		return errors.New("--confirm is for somebody who is there to confirm, --unattended for nobody: they cannot go together")
	}
	if f.saved && (f.trial || f.snapshot != "") {
		return errors.New("--saved-facts is for the boot unit: it cannot be combined with --confirm or --snapshot")
	}
	return nil
}

// applyResult is what was changed.
type applyResult struct {
	header
	Changed bool `json:"changed"`
	// By is who wrote: agentctl or agentd.
	By      string        `json:"by"`
	Changes []plan.Change `json:"changes"`
	Summary tally         `json:"summary"`
	// Trial is what awaits its confirmation; nil: nothing does.
	Trial *reconcile.Trial `json:"trial,omitempty"`
	path  string
	full  bool
	now   time.Time
}

func (a *app) apply(ctx context.Context, f applyFlags) (result, error) {
	if err := errors.Join(f.check(), a.needRoot("apply", "changes the kernel's rules")); err != nil {
		return nil, err
	}
	doc, err := a.applied(ctx, f)
	if err != nil {
		return nil, err
	}
	d, err := a.running(ctx, a.socketFor(doc.Settings))
	if err != nil {
		return nil, fmt.Errorf("%w; nothing was changed, because two would write to the kernel", err)
	}
	r := &applyResult{By: "agentctl", path: a.config, full: f.full, now: a.env.Now()}
	var p plan.Plan
	if d != nil {
		r.By = "agentd"
		p, r.Trial, err = a.applyByDaemon(ctx, d, doc, f)
	} else {
		p, r.Trial, err = a.applyHere(ctx, doc, f)
	}
	if err != nil {
		return nil, err
	}
	r.Changed, r.Changes, r.Summary = !p.Empty(), changesOf(p), tallyOf(p)
	return r, nil
}

// applied is what is to be applied: the file, or where nobody is there to be
// asked and the file was not confirmed, the policy of before.
func (a *app) applied(ctx context.Context, f applyFlags) (*config.Document, error) {
	if f.unattended && a.env.Host.State != "" {
		file, err := filepath.Abs(a.config)
		if err != nil {
			return nil, err
		}
		switch doc, err := trial.Standing(filepath.Join(a.env.Host.State, "trial.json"), file, a.env.Host.Clock); {
		case err != nil:
			a.note("%v; %s is taken", err, a.config)
		case doc != nil:
			a.note("%s was on trial and was not confirmed: the policy of before is taken", a.config)
			return doc, nil
		}
	}
	doc, err := a.load()
	var bad *badFile
	if f.unattended && errors.As(err, &bad) {
		return a.lastGood(ctx, bad)
	}
	return doc, err
}

// lastGood is the policy that stands in for a file with errors at boot, where
// no daemon runs that would see to it.
func (a *app) lastGood(ctx context.Context, bad *badFile) (*config.Document, error) {
	file, err := filepath.Abs(a.config)
	if err != nil {
		return nil, err
	}
	doc, err := lastgood.Load(lastgood.Path(a.env.Host.State, defaultSocket), file)
	if err != nil {
		return nil, bad
	}
	if d, err := a.running(ctx, a.socketFor(doc.Settings)); d != nil || err != nil {
		return nil, bad
	}
	a.note("%s has errors, and the last good policy is taken: %v", a.config, bad)
	return doc, nil
}

// applyHere writes to the kernel, and looks whether it holds. It returns what
// there was to change at first.
func (a *app) applyHere(ctx context.Context, doc *config.Document, f applyFlags) (plan.Plan, *reconcile.Trial, error) {
	undo := trial.UndoPath(a.socketFor(doc.Settings))
	if err := a.noTrial(ctx, undo); err != nil {
		return plan.Plan{}, nil, err
	}
	w, err := a.applicable(ctx, doc, f)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	o, err := a.options(ctx, w.doc.Settings.Firewall, w.snapshot)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	way, err := a.difference(ctx, w, o)
	if err != nil {
		return plan.Plan{}, nil, err
	}
	if err := a.mindSession(w, way.plan, f); err != nil {
		return plan.Plan{}, nil, err
	}
	bridges := a.bridges(a.socketFor(doc.Settings))
	if err := bridges.Show(compile.Isolated(w.doc.Policy, w.snapshot)); err != nil {
		return plan.Plan{}, nil, fmt.Errorf("containers on one network cannot be isolated, and nothing was changed: %w", err)
	}
	if f.trial {
		return a.tryHere(ctx, w, o, way, undo, f.confirm)
	}
	if err := a.put(ctx, w, o, way, nil); err != nil {
		return plan.Plan{}, nil, fmt.Errorf("the kernel could not be made as %s says: %w", a.config, err)
	}
	if err := a.putFrames(w); err != nil {
		return plan.Plan{}, nil, err
	}
	return way.plan, nil, errors.Join(a.removeOther(ctx, o.Variant), bridges.Settle())
}

// applicable compiles the document with the facts that the flags name.
func (a *app) applicable(ctx context.Context, doc *config.Document, f applyFlags) (wanted, error) {
	if !f.saved {
		return a.compile(ctx, doc, f.snapshot)
	}
	snap, err := a.env.Host.Saved(doc.Settings, logger(a.env.Stderr))
	if err != nil {
		return wanted{}, fmt.Errorf("reading the host's facts: %w", err)
	}
	return compiled(doc, snap)
}

// putFrames writes what the bridges let pass, except which container is behind
// which port: with no agent to follow them, a container that is restarted gets
// another port, and would be cut off.
func (a *app) putFrames(w wanted) error {
	if a.env.Host.PutFrames == nil {
		return nil
	}
	f := compile.Frames(w.doc.Policy, w.snapshot)
	f.Places, f.Seen, f.Hold = nil, nil, false
	err := a.env.Host.PutFrames(f)
	if errors.Is(err, rules.ErrNoFrames) {
		a.note("%v. Frames with a VLAN tag pass from container to container whatever between says", err)
		return nil
	}
	return err
}

// way is the way to what is wanted.
type way struct {
	plan plan.Plan
	// end returns what the kernel holds once the plan has run.
	end func() iptables.State
}

// put goes the way, and others until nothing differs any more: somebody else may
// write at the same time. before, if any, is told of each plan.
func (a *app) put(ctx context.Context, w wanted, o iptables.Options, to way, before func(plan.Plan) error) error {
	pause := applyPause
	var without []rules.VerdictKind
	var err, last error
	for try := range applyTries + 1 {
		if try > 0 {
			to, err = a.difference(ctx, w, o)
		}
		if err == nil && to.plan.Empty() {
			return nil
		}
		if try == applyTries {
			break
		}
		if err == nil && before != nil {
			if err := before(to.plan); err != nil {
				return err
			}
		}
		if err == nil {
			err = a.env.Host.Writer.Run(ctx, to.plan)
		}
		last = err
		if err == nil {
			if holds, err := a.env.Host.Seer.Holds(ctx, to.end()); holds && err == nil {
				return nil
			}
			continue // and look what does not hold
		}
		if kind, lacks := plan.Lacks(err); lacks && !slices.Contains(without, kind) {
			// To refuse is what matters.
			if kind == rules.Log {
				a.note("%v. What is refused is refused without reports", err)
			}
			without = append(without, kind)
			w.rules = w.rules.Without(without...)
			continue
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 2
	}
	if last == nil {
		last = errors.New("what was written does not stay: another program is writing at the same time")
	}
	return last
}

// difference is what there is to do.
func (a *app) difference(ctx context.Context, w wanted, o iptables.Options) (way, error) {
	st, err := a.env.Host.Seer.Observe(ctx, o.Variant)
	if err != nil {
		return way{}, fmt.Errorf("reading the kernel: %w", err)
	}
	p, end := iptables.DiffAdvance(w.rules, st, o)
	return way{p, end}, nil
}

func (a *app) removeOther(ctx context.Context, v iptables.Variant) error {
	if err := a.env.Host.Writer.RemoveOther(ctx, v); err != nil {
		return fmt.Errorf("the rules are in force; taking earlier ones out of the other iptables variant failed: %w", err)
	}
	return nil
}

func (r *applyResult) code() int { return exitSame }

func (r *applyResult) text(p *printer) {
	switch {
	case r.Changed:
		p.changes(r.path, r.Changes, r.full)
		p.printf("%s\n", r.Summary.sentence("went", "came"))
	case r.Trial != nil:
		p.printf("The kernel is as %s says already.\n", printable(r.path))
	default:
		p.printf("The kernel is as %s says: there was nothing to change.\n", printable(r.path))
	}
	if r.Trial != nil {
		p.printf("%s %s\n", p.bold("On trial:"), countdown(*r.Trial, r.now))
	}
}
