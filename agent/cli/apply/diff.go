package apply

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/meaning"
	"dockwall/rules/plan"
)

func Diff(of *ask.App) *cobra.Command {
	a := &app{of}
	var f diffFlags
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what apply would change in the kernel; changes nothing",
		Long: `diff compares what the kernel holds with what the file asks for. It prints what
that means as a table: what is reached, which senders gain and lose access to it,
in the file's own names, and the block that makes the difference. KEEPS names
those that keep access where everyone else gains or loses it. The last line
counts rules and members of sets; --rules shows them as a unified diff: - goes,
+ comes. Bridges whose traffic would be shown to the rules (between = "deny") are
named.

Exit code: 0 nothing to change, 1 differs, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.diff(ctx, f) }),
	}
	ask.SnapshotFlag(cmd, &f.snapshot)
	cmd.Flags().BoolVar(&f.rules, "rules", false, "show the rules and sets that differ as well")
	cmd.Flags().BoolVar(&f.full, "full", false, "as --rules, with every member of long sets, and the guard's chains")
	return cmd
}

// diffFlags is the command line of diff.
type diffFlags struct {
	snapshot    string
	rules, full bool
}

// diffResult is the difference.
type diffResult struct {
	view.Header
	Changed bool `json:"changed"`
	difference
	Changes []plan.Change `json:"changes"`
	Summary tally         `json:"summary"`
	// NotCovered names what meets no rule, whatever differs.
	NotCovered []finding.Finding `json:"not_covered,omitempty"`
	// Limits name the kinds of rules that this host does not take; the difference is
	// one without them.
	Limits []finding.Finding `json:"limits,omitempty"`
	// Bridges are those that would be switched.
	Bridges []bridgeSwitch `json:"bridges"`
	// Spoofing says what would change in what containers may send; empty if nothing.
	Spoofing string `json:"spoofing,omitempty"`
	path     string
	flags    diffFlags
}

func (a *app) diff(ctx context.Context, f diffFlags) (view.Result, error) {
	if err := a.NeedRoot("diff", "reads the kernel's rules"); err != nil {
		return nil, err
	}
	doc, err := a.Load()
	if err != nil {
		return nil, err
	}
	snap, err := a.Facts(ctx, doc, f.snapshot)
	if err != nil {
		return nil, err
	}
	t := a.Target(doc.Settings, nil)
	d, err := a.compare(ctx, t, doc, snap)
	if err != nil {
		return nil, err
	}
	p, problems := d.Plan, t.Problems()
	r := &diffResult{Changed: !p.Empty(), Changes: changesOf(p), Summary: tallyOf(p), path: a.Config, flags: f,
		NotCovered: notCovered(problems), Limits: limits(t), Bridges: []bridgeSwitch{}}
	if f.snapshot == "" { // or the bridges would be another host's
		if r.Bridges, err = bridgeSwitches(t); err != nil {
			return nil, err
		}
		if r.Spoofing, err = a.spoofing(t.Guard()); err != nil {
			return nil, err
		}
		r.Changed = r.Changed || len(r.Bridges) > 0 || r.Spoofing != ""
	}
	if r.difference, err = a.means(d, snap, doc); err != nil {
		return nil, err
	}
	return r, nil
}

// difference is what a change of the rules means.
type difference struct {
	// Meaning is who gains and who loses; MeaningLeftOut says what was not
	// looked at for it.
	Meaning        []meaning.Change `json:"meaning"`
	MeaningLeftOut []string         `json:"meaning_left_out"`
	// Table is what Meaning says, by what is reached and in the file's own names.
	Table []meaning.Entry `json:"table"`
}

// none is the difference that means nothing.
func none() difference {
	return difference{[]meaning.Change{}, []string{}, []meaning.Entry{}}
}

// means finds out what a difference means; nothing if no rule differs.
func (a *app) means(d enforce.Difference, snap netinfo.Snapshot, doc *config.Document) (difference, error) {
	if d.Plan.Empty() || a.Env.Meaning == nil {
		return none(), nil
	}
	m, err := a.Env.Meaning(ask.Before{State: d.Have, Backend: d.Backend}, d.Want, snap, doc.Policy)
	if err != nil {
		return none(), fmt.Errorf("finding out what the difference means: %w", err)
	}
	return difference{m.Changes, m.LeftOut, m.Table}, nil
}

// spoofing says how what the bridges deny would change; empty if it would not.
func (a *app) spoofing(want rules.Guard) (string, error) {
	bridges, ok := a.Env.Host.Frames.(interface {
		GuardHolds(g rules.Guard) (bool, error)
	})
	if !ok {
		return "", nil
	}
	switch same, err := bridges.GuardHolds(want); {
	case err != nil || same:
		return "", err
	case !want.On:
		return `Containers could send in the name of others again: spoofing = "deny" would no longer be in force.`, nil
	}
	return `What containers may send from would change: spoofing = "deny" would be in force as the file says.`, nil
}

func (r *diffResult) Code() int {
	if r.Changed {
		return view.Differs
	}
	return view.Same
}

// notCovered are the problems that say that no rule holds for something, whatever
// the difference is.
func notCovered(ps []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(ps), func(pr finding.Finding) bool { return pr.Code != finding.NotCovered && !pr.Kind().Degrades() })
}

func (r *diffResult) Text(p *view.Printer) {
	for _, pr := range slices.Concat(r.NotCovered, r.Limits) {
		p.Problem(r.path, pr)
	}
	if !r.Changed {
		p.Printf("The kernel is as %s says: nothing to change.\n", view.Printable(r.path))
		return
	}
	showBridges(p, r.Bridges)
	if r.Spoofing != "" {
		p.Printf("%s\n", r.Spoofing)
	}
	if len(r.Changes) == 0 && (len(r.Bridges) > 0 || r.Spoofing != "") {
		return
	}
	showMeaning(p, r.Table, r.MeaningLeftOut)
	p.Printf("%s\n", r.Summary.sentence("would go", "would come"))
	if r.flags.rules || r.flags.full {
		p.Printf("\n")
		showChanges(p, r.path, r.Changes, r.flags.full)
	}
}
