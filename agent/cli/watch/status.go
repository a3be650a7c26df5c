package watch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/undo"
	"dockwall/agent/cli/view"
	"dockwall/agent/control"
	"dockwall/agent/overview"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/rules/finding"
)

// Status is the verb status.
func Status(of *ask.App) *cobra.Command {
	a := &app{of}
	var all bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the daemon's state, and what is in force",
		Long: `status shows what agentd says of itself: the state and the reasons for it, what
is enforced and what is not covered, the last change and its cause, each block
with the packets that it let pass and refused since agentd started (of a
connection that is let pass the first packet counts), and the containers with
how many of the last 1000 refused packets concern them.

Exit code: 0 enforcing, 1 degraded or starting, 2 no daemon.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.status(ctx, all) }),
	}
	cmd.Flags().BoolVar(&all, "all", false, "show every block and container, however many there are")
	return cmd
}

// statusResult is the daemon's state.
type statusResult struct {
	view.Header
	reconcile.Status
	// Overview is nil where the daemon does not tell.
	*overview.Overview
	now time.Time
	all bool
}

func (a *app) status(ctx context.Context, all bool) (view.Result, error) {
	socket := a.AnySocket()
	d, err := a.Daemon(ctx, socket)
	if err != nil {
		return nil, errors.Join(err, a.noteTrial(ctx, socket, err))
	}
	r := &statusResult{Status: d.Status, now: a.Env.Now(), all: all}
	ctx, cancel := context.WithTimeout(ctx, ask.AskTimeout)
	defer cancel()
	var o overview.Overview
	if err := d.Client.Overview(ctx, &o); err != nil {
		a.Note("what is enforced is not told: %v", err)
	} else {
		r.Overview = &o
	}
	return r, nil
}

// noteTrial prints a pending trial where no daemon runs.
func (a *app) noteTrial(ctx context.Context, socket string, err error) error {
	var none *control.NotRunning
	if !errors.As(err, &none) || a.Env.EUID != 0 {
		return nil
	}
	u, err := undo.PendingUndo(ctx, a.App, trial.UndoPath(socket))
	if u != nil {
		a.Note("%s", undo.Countdown(u.Status(a.Env.Host.Clock), a.Env.Host.Clock.Now()))
	}
	return err
}

func (r *statusResult) Code() int {
	if r.State == reconcile.Enforcing {
		return view.Same
	}
	return view.Differs
}

func (r *statusResult) Text(p *view.Printer) {
	p.Printf("dockwall is %s\n", r.paint(p))
	for _, why := range r.Reasons {
		p.Printf("  %s: %s\n", p.Yellow(view.Printable(string(why.Code))), view.Printable(why.Message))
		if why.Fix != "" {
			p.Printf("    %s\n", view.Printable("what to do: "+why.Fix))
		}
	}
	if r.Trial != nil {
		p.Printf("  %s %s\n", p.Bold(p.Yellow("on trial:")), view.Printable(undo.Countdown(*r.Trial, r.now)))
	}
	p.Printf("\n")
	row := func(name, value string) {
		if value != "" {
			p.Printf("  %-12s %s\n", name, view.Printable(value))
		}
	}
	row("file", r.file())
	row("Docker", r.docker())
	row("backend", r.backend())
	row("applied", r.applied())
	row("last change", r.change())
	row("repairs", fmt.Sprint(r.Repairs))
	row("containers", fmt.Sprint(r.Status.Containers))
	row("audit", r.audit())
	r.overview(p)
	r.findings(p)
	r.warnings(p)
}

func (r *statusResult) paint(p *view.Printer) string {
	s := view.Printable(string(r.State))
	switch r.State {
	case reconcile.Enforcing:
		return p.Bold(p.Green(s))
	case reconcile.Degraded:
		return p.Bold(p.Red(s))
	}
	return p.Bold(p.Yellow(s))
}

func (r *statusResult) file() string {
	if r.Config.LoadedAt.IsZero() {
		return r.Config.Path
	}
	s := fmt.Sprintf("%s, as of %s", r.Config.Path, r.moment(r.Config.LoadedAt))
	switch {
	case r.Trial != nil && r.Trial.State == reconcile.TrialUnconfirmed:
		s += " (what is on disk now was not confirmed)"
	case r.Config.Error != "":
		s += " (what is on disk now has errors)"
	}
	return s
}

func (r *statusResult) docker() string {
	if r.Docker.Connected {
		return r.Docker.Version + ", connected"
	}
	return "not connected"
}

func (r *statusResult) backend() string {
	if r.Sets == "" {
		return r.Backend
	}
	return fmt.Sprintf("%s, sets: %s", r.Backend, r.Sets)
}

func (r *statusResult) applied() string {
	if r.AppliedAt.IsZero() {
		return "not yet"
	}
	return fmt.Sprintf("%s, generation %d", r.moment(r.AppliedAt), r.Generation)
}

func (r *statusResult) change() string {
	c := r.LastChange
	if c.At.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s: %s (%s, %s, took %s)", r.moment(c.At), c.Cause,
		view.Count(c.Rules, "rule"), view.Count(c.Members, "set member"), c.Took.Round(100*time.Microsecond))
}

// moment is a time and how long ago that was.
func (r *statusResult) moment(t time.Time) string {
	return fmt.Sprintf("%s (%s ago)", t.Local().Format(time.DateTime), r.now.Sub(t).Round(time.Second))
}

func (r *statusResult) warnings(p *view.Printer) {
	problems := slices.DeleteFunc(slices.Clone(r.Problems), func(f finding.Finding) bool {
		// The overview says it of each container.
		return r.Overview != nil && f.Code == finding.NotCovered && strings.HasPrefix(f.Subject, "container ")
	})
	if len(problems) == 0 {
		return
	}
	p.Printf("\n%s\n", view.Count(len(problems), "warning"))
	for _, pr := range problems {
		place := ""
		if pr.Origin.File != "" {
			place = fmt.Sprintf("%s:%d: ", filepath.Join(filepath.Dir(r.Config.Path), pr.Origin.File), pr.Origin.Line)
		}
		p.Printf("  %s%s\n", view.Printable(place), view.Printable(pr.Message))
	}
}
