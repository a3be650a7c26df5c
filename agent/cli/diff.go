package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"dockwall/rules/finding"
	"dockwall/rules/meaning"
	"dockwall/rules/plan"
)

func (a *app) diffCommand() *cobra.Command {
	var snapshot string
	var full bool
	cmd := &cobra.Command{
		Use:   "diff",
		Short: "Show what apply would change in the kernel; changes nothing",
		Long: `diff compares what the kernel holds with what the file asks for and prints the
difference as a unified diff of rules and sets: - goes, + comes.

Exit code: 0 nothing to change, 1 differs, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: a.run(func(ctx context.Context) (result, error) { return a.diff(ctx, snapshot, full) }),
	}
	snapshotFlag(cmd, &snapshot)
	cmd.Flags().BoolVar(&full, "full", false, "show every member of long sets, and the guard's chains")
	return cmd
}

// diffResult is the difference.
type diffResult struct {
	header
	Changed bool `json:"changed"`
	// Meaning is who gains and who loses; MeaningLeftOut says what was not
	// looked at for it.
	Meaning        []meaning.Change `json:"meaning"`
	MeaningLeftOut []string         `json:"meaning_left_out"`
	Changes        []plan.Change    `json:"changes"`
	Summary        tally            `json:"summary"`
	// NotCovered names what meets no rule, whatever differs.
	NotCovered []finding.Finding `json:"not_covered,omitempty"`
	// Limits name the kinds of rules that this host does not take; the difference is
	// one without them.
	Limits []finding.Finding `json:"limits,omitempty"`
	path   string
	full   bool
}

func (a *app) diff(ctx context.Context, snapshotFile string, full bool) (result, error) {
	if err := a.needRoot("diff", "reads the kernel's rules"); err != nil {
		return nil, err
	}
	doc, err := a.load()
	if err != nil {
		return nil, err
	}
	snap, err := a.facts(ctx, doc, snapshotFile)
	if err != nil {
		return nil, err
	}
	t := a.target(doc.Settings, nil)
	d, err := a.compare(ctx, t, doc, snap)
	if err != nil {
		return nil, err
	}
	p, problems := d.Plan, t.Problems()
	r := &diffResult{Changed: !p.Empty(), Changes: changesOf(p), Summary: tallyOf(p), Meaning: []meaning.Change{}, MeaningLeftOut: []string{}, path: a.config, full: full,
		NotCovered: notCovered(problems), Limits: limits(problems)}
	if r.Changed && a.env.Meaning != nil {
		m, err := a.env.Meaning(Before{d.Have, d.Backend}, d.Want, snap)
		if err != nil {
			return nil, fmt.Errorf("finding out what the difference means: %w", err)
		}
		r.Meaning, r.MeaningLeftOut = m.Changes, m.LeftOut
	}
	return r, nil
}

func (r *diffResult) code() int {
	if r.Changed {
		return exitDiffers
	}
	return exitSame
}

// notCovered are the problems that say that no rule holds for something, whatever
// the difference is.
func notCovered(ps []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(ps), func(pr finding.Finding) bool { return pr.Code != finding.NotCovered })
}

func (r *diffResult) text(p *printer) {
	for _, pr := range slices.Concat(r.NotCovered, r.Limits) {
		p.problem(r.path, pr)
	}
	if !r.Changed {
		p.printf("The kernel is as %s says: nothing to change.\n", printable(r.path))
		return
	}
	showMeaning(p, r.Meaning, r.MeaningLeftOut)
	showChanges(p, r.path, r.Changes, r.full)
	p.printf("%s\n", r.Summary.sentence("would go", "would come"))
}
