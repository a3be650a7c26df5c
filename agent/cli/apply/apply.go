package apply

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/undo"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/enforce"
	"dockwall/agent/lastgood"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/netinfo"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// Apply is the verb apply.
func Apply(of *ask.App) *cobra.Command {
	a := &app{of}
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make the kernel as the file says, once",
		Long: `apply makes the kernel as the file says, and prints what it changed as diff does: a
table of who gains and loses what, and counts; --rules shows the rules. Where agentd runs with the same file, it is asked to read the file again instead, and
apply waits until that is in force.

With --confirm 60s it is in force at once and goes back by itself after that
time, unless agentctl confirm is run before. That holds although the terminal is
gone, agentctl or agentd was killed, or the host was rebooted.

  agentctl apply --confirm 60s
  agentctl confirm               # from a new login: it works

agentd puts a file in force when it is saved. A trial of that file goes back to
the policy of before, even if the change is in force already, provided that it was made
in the last ten minutes. To try a change before anything of it is in force,
write it to another file beside agent.hcl and put that on trial; confirm then
writes it over agent.hcl:

  agentctl --config /etc/dockwall/new.hcl apply --confirm 60s

What is saved during a trial is part of it. An agent.hcl that was not confirmed
stays out of force until its text changes or apply is run again. Without agentd
it is the kernel that goes back: put the file right before agentd is started or
the host is. While a trial is pending there is no other apply.

Connections that the file no longer allows are cut. If agentd does not run, those
that were opened during a trial and that the policy of before does not allow are
not cut when the trial goes back.

On a kernel without NFLOG, denied packets are dropped, but not reported; each
apply tries again.

What would cut the SSH connection that it is typed in is refused, unless it is
on trial or forced.

Exit code: 0 it is so now, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.apply(ctx, f) }),
	}
	fs := cmd.Flags()
	ask.SnapshotFlag(cmd, &f.snapshot)
	fs.BoolVar(&f.rules, "rules", false, "show the rules and sets that changed as well")
	fs.BoolVar(&f.full, "full", false, "as --rules, with every member of long sets, and the guard's chains")
	fs.DurationVar(&f.confirm, "confirm", 0, "go back by itself after this time, unless agentctl confirm is run")
	fs.BoolVar(&f.force, "force", false, "do it although it cuts the SSH connection that this is typed in")
	fs.BoolVar(&f.unattended, "unattended", false, "for units and scripts: leave out of force what was not confirmed")
	fs.BoolVar(&f.saved, "saved-facts", false, "do not ask Docker; take its networks and containers as agentd saved them (for the boot unit)")
	cmd.PreRun = func(*cobra.Command, []string) { f.trial = fs.Changed("confirm") }
	return cmd
}

// applyFlags is the command line of apply.
type applyFlags struct {
	snapshot    string
	rules, full bool
	confirm     time.Duration
	// trial reports whether --confirm was given.
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
		return errors.New("--confirm waits for an operator's confirmation, and --unattended means that there is no operator: use one of them")
	}
	if f.saved && (f.trial || f.snapshot != "") {
		return errors.New("--saved-facts is for the boot unit: it cannot be combined with --confirm or --snapshot")
	}
	return nil
}

// applyResult is what was changed.
type applyResult struct {
	view.Header
	Changed bool `json:"changed"`
	// By is the program that wrote: agentctl or agentd.
	By      string        `json:"by"`
	Changes []plan.Change `json:"changes"`
	Summary tally         `json:"summary"`
	// Meaning is what the change meant, as diff says it; empty with --unattended.
	difference
	// Cut is how many connections were ended because the policy no longer allows them.
	Cut int `json:"connections_cut"`
	// Limits name the kinds of rules that this host does not take.
	Limits []finding.Finding `json:"limits,omitempty"`
	// Trial is what awaits its confirmation; nil if nothing does.
	Trial *reconcile.Trial `json:"trial,omitempty"`
	path  string
	flags applyFlags
	now   time.Time
}

func (a *app) apply(ctx context.Context, f applyFlags) (view.Result, error) {
	if err := errors.Join(f.check(), a.NeedRoot("apply", "changes the kernel's rules")); err != nil {
		return nil, err
	}
	doc, err := a.applied(ctx, f)
	if err != nil {
		return nil, err
	}
	d, err := a.Running(ctx, a.SocketFor(doc.Settings))
	if err != nil {
		return nil, fmt.Errorf("%w; nothing was changed, because two would write to the kernel", err)
	}
	r := &applyResult{By: "agentctl", path: a.Config, flags: f, now: a.Env.Now(), Changes: []plan.Change{}, difference: none()}
	if d != nil {
		r.By = "agentd"
		err = a.applyByDaemon(ctx, d, doc, f, r)
	} else {
		err = a.applyHere(ctx, doc, f, r)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// changed takes over what was changed, or is to be.
func (r *applyResult) changed(p plan.Plan) {
	r.Changed, r.Changes, r.Summary = !p.Empty(), changesOf(p), tallyOf(p)
}

// applied is what is to be applied: the file, or, if no operator is there to be
// asked and the file was not confirmed, the policy of before.
func (a *app) applied(ctx context.Context, f applyFlags) (*config.Document, error) {
	if f.unattended && a.Env.Host.State != "" {
		file, err := filepath.Abs(a.Config)
		if err != nil {
			return nil, err
		}
		switch doc, err := trial.Standing(filepath.Join(a.Env.Host.State, "trial.json"), file, a.Env.Host.Clock); {
		case err != nil:
			a.Note("%v; %s is taken", err, a.Config)
		case doc != nil:
			a.Note("%s was on trial and was not confirmed: the policy of before is taken", a.Config)
			return doc, nil
		}
	}
	doc, err := a.Load()
	var bad *ask.BadFile
	if f.unattended && errors.As(err, &bad) {
		return a.lastGood(ctx, bad)
	}
	return doc, err
}

// lastGood is the policy that stands in for a file with errors at boot, where
// no daemon runs that would see to it.
func (a *app) lastGood(ctx context.Context, bad *ask.BadFile) (*config.Document, error) {
	file, err := filepath.Abs(a.Config)
	if err != nil {
		return nil, err
	}
	doc, err := lastgood.Load(lastgood.Path(a.Env.Host.State, ask.DefaultSocket), file)
	if err != nil {
		return nil, bad
	}
	if d, err := a.Running(ctx, a.SocketFor(doc.Settings)); d != nil || err != nil {
		return nil, bad
	}
	a.Note("%s has errors, and the last good policy is taken: %v", a.Config, bad)
	return doc, nil
}

// applyHere writes to the kernel, and looks whether it holds.
func (a *app) applyHere(ctx context.Context, doc *config.Document, f applyFlags, r *applyResult) error {
	path := trial.UndoPath(a.SocketFor(doc.Settings))
	if err := undo.NoTrial(ctx, a.App, path); err != nil {
		return err
	}
	snap, err := a.applicable(ctx, doc, f)
	if err != nil {
		return err
	}
	var try *undo.Trying
	var before func(plan.Plan) error
	if f.trial {
		try = &undo.Trying{App: a.App, Path: path, Lasts: f.confirm}
		before = try.Before
	}
	t := a.Target(doc.Settings, before)
	d, err := a.compare(ctx, t, doc, snap)
	if err != nil {
		return err
	}
	if err := a.mindSession(doc, snap, d, f); err != nil {
		return err
	}
	r.difference = a.meansIfAttended(d, snap, doc, f) // now: Apply changes d.Have
	var done enforce.Result
	if f.trial {
		done, err = try.Run(ctx, t)
		r.Trial = try.Status()
	} else {
		done, err = t.Apply(ctx)
	}
	if err != nil {
		return fmt.Errorf("the kernel could not be made as %s says: %w", a.Config, err)
	}
	if done.Ran {
		r.changed(done.Plan)
	}
	r.Limits = limits(t)
	r.Cut = a.cutConnections(ctx, snap, f)
	return a.isolated(t, f)
}

// meansIfAttended is means for an operator, and none for a unit. That it cannot be found out is no
// reason not to apply.
func (a *app) meansIfAttended(d enforce.Difference, snap netinfo.Snapshot, doc *config.Document, f applyFlags) difference {
	if f.unattended {
		return none()
	}
	is, err := a.means(d, snap, doc)
	if err != nil {
		a.Warn("%v", err)
	}
	return is
}

// applicable reads the facts that the flags name.
func (a *app) applicable(ctx context.Context, doc *config.Document, f applyFlags) (netinfo.Snapshot, error) {
	if !f.saved {
		snap, err := a.Facts(ctx, doc, f.snapshot)
		var partial *ask.Incomplete
		if f.unattended && errors.As(err, &partial) {
			// The rules in force may be none at all: a part of them is better.
			a.Warn("%v", err)
			return snap, nil
		}
		return snap, err
	}
	snap, err := a.Env.Host.Saved(doc.Settings, a.Logger())
	if err != nil {
		return snap, fmt.Errorf("reading the host's facts: %w", err)
	}
	return snap, nil
}

// isolated is the error if containers on one network are not isolated, though the
// policy says so. Everything else is in force then: it is worth having by itself.
func (a *app) isolated(t *enforce.Target, f applyFlags) error {
	err := t.Isolation()
	switch {
	case err == nil:
		return nil
	case f.trial:
		a.Warn("containers on one network are not isolated: %v", err)
		return nil
	}
	return fmt.Errorf("everything is in force except the isolation of containers on one network: %w", err)
}

// cutConnections ends the connections that the policy does not allow any more, or
// says why they live on.
func (a *app) cutConnections(ctx context.Context, snap netinfo.Snapshot, f applyFlags) int {
	switch {
	case a.Env.Host.Cutter == nil || f.saved:
		return 0
	case f.snapshot != "":
		a.Note("connections that the file no longer allows are not cut: --snapshot may not be this host's")
		return 0
	case !snap.Engine.Known && !f.unattended:
		a.Note("connections that the file no longer allows are not cut: which addresses are containers' is not known")
		return 0
	}
	cut, err := a.Env.Host.Cutter.Finish(ctx)
	if err != nil {
		a.Warn("connections that the file no longer allows may go on: %v", err)
	}
	return cut
}

// limits are the findings that say which kinds of rules this host does not take, and which
// family of addresses.
func limits(t *enforce.Target) []finding.Finding {
	all := slices.DeleteFunc(t.Problems(), func(f finding.Finding) bool {
		return f.Code != finding.NotReported && f.Code != finding.NoFrames && f.Code != finding.Spoofing
	})
	if f, ok := t.LeftOut(); ok {
		all = append(all, f)
	}
	return all
}

func (r *applyResult) Code() int { return view.Same }

func (r *applyResult) Text(p *view.Printer) {
	switch {
	case r.Changed:
		if !r.flags.unattended && len(r.Changes) > 0 {
			showMeaning(p, r.Table, r.MeaningLeftOut)
		}
		p.Printf("%s\n", r.Summary.sentence("went", "came"))
		if r.flags.rules || r.flags.full {
			p.Printf("\n")
			showChanges(p, r.path, r.Changes, r.flags.full)
		}
	case r.Trial != nil:
		p.Printf("The kernel is as %s says already.\n", view.Printable(r.path))
	default:
		p.Printf("The kernel is as %s says: there was nothing to change.\n", view.Printable(r.path))
	}
	if r.Cut > 0 {
		p.Printf("%s that the file no longer allows: cut.\n", view.Count(r.Cut, "connection"))
	}
	for _, f := range r.Limits {
		p.Problem(r.path, f)
	}
	if r.Trial != nil {
		p.Printf("%s %s\n", p.Bold("On trial:"), undo.Countdown(*r.Trial, r.now))
	}
}
