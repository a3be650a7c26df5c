package check

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/sandbox"
	"dockwall/rules/compile"
	"dockwall/rules/finding"
)

// Check is the verb check.
func Check(of *ask.App) *cobra.Command {
	a := &app{of}
	var snapshot string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Parse and compile the file: errors and warnings with positions",
		Long: `check reads the file and says what is wrong with it, and where it does not fit
this host: a selector that matches nothing, an interface that is not there.
It needs neither root nor Docker nor the daemon; what cannot be judged without
them is said.

Exit code: 0 fine (warnings allowed), 1 errors in the file, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) { return a.check(ctx, snapshot) }),
	}
	ask.SnapshotFlag(cmd, &snapshot)
	return cmd
}

// checkResult is what check found.
type checkResult struct {
	view.Header
	Path        string             `json:"path"`
	Errors      int                `json:"errors"`
	Warnings    int                `json:"warnings"`
	Diagnostics config.Diagnostics `json:"diagnostics"`
	Problems    []finding.Finding  `json:"problems"`
	// NotJudged says what could not be looked at, and why.
	NotJudged []string `json:"not_judged"`
}

func (a *app) check(ctx context.Context, snapshotFile string) (view.Result, error) {
	if err := readable(a.Config); err != nil {
		return nil, err
	}
	doc, files, diags := config.LoadFiles(a.Config)
	diags = append(diags, a.refused(files)...)
	r := &checkResult{Path: a.Config, Diagnostics: diags, Problems: []finding.Finding{}, NotJudged: []string{}}
	if r.Diagnostics == nil {
		r.Diagnostics = config.Diagnostics{}
	}
	if doc != nil {
		if err := a.judge(ctx, r, doc, snapshotFile); err != nil {
			return nil, err
		}
	}
	for _, of := range []func() []finding.Finding{a.Env.RulesOnDisk, a.Env.Host.Lacks} {
		if of != nil && snapshotFile == "" {
			r.Problems = append(r.Problems, of()...)
		}
	}
	r.Warnings = len(r.Problems)
	for _, d := range r.Diagnostics {
		if d.Severity == config.Error {
			r.Errors++
		} else {
			r.Warnings++
		}
	}
	return r, nil
}

// refused are the files that root can read and the service cannot.
func (a *app) refused(files []string) config.Diagnostics {
	if a.Env.EUID != 0 || a.Env.Host.Refused == nil {
		return nil
	}
	var ds config.Diagnostics
	all, err := a.Env.Host.Refused(a.Config, files)
	if err != nil {
		a.Note("whether %s can read the files is not known: %v", sandbox.Name, err)
	}
	for _, r := range all {
		ds = append(ds, config.Diagnostic{Severity: config.Error, File: r.Path,
			Summary: fmt.Sprintf("%s cannot read %s", sandbox.Name, r.Path), Detail: "Root can, but " + r.Why + ". " + r.Fix})
	}
	return ds
}

// judge compares the policy with the host, as far as the host can be asked.
func (a *app) judge(ctx context.Context, r *checkResult, doc *config.Document, snapshotFile string) error {
	snap, source, err := a.Snapshot(ctx, doc.Settings, snapshotFile)
	if err != nil && source == ask.FromFile {
		return err
	}
	if err != nil {
		r.NotJudged = append(r.NotJudged, fmt.Sprintf("%v: interfaces, containers and networks were not judged", err))
		return nil
	}
	if err := a.Whole(snap, source); err != nil {
		r.NotJudged = append(r.NotJudged, err.Error())
	}
	rs, problems := compile.Compile(doc.Policy, snap)
	if err := rs.Validate(); err != nil {
		return fmt.Errorf("the compiled ruleset is not valid: %w", err)
	}
	r.Problems = append(r.Problems, problems...)
	if !snap.Engine.Known {
		r.NotJudged = append(r.NotJudged, ask.DockerAway(snap)+", and were not judged")
	}
	return nil
}

// readable is the error of a file that is not there or cannot be read: that is
// trouble, not a file with errors in it.
func readable(path string) error {
	f, err := os.Open(path)
	if err != nil {
		var pe *os.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	if fi.IsDir() {
		return fmt.Errorf("cannot read %s: it is a folder", path)
	}
	return nil
}

func (r *checkResult) Code() int {
	if r.Errors > 0 {
		return view.Differs
	}
	return view.Same
}

func (r *checkResult) Text(p *view.Printer) {
	p.Diagnostics(r.Diagnostics)
	for _, pr := range r.Problems {
		p.Problem(r.Path, pr)
	}
	for _, n := range r.NotJudged {
		p.Printf("%s %s.\n\n", p.Bold("Note:"), view.Printable(n))
	}
	switch {
	case r.Errors > 0:
		p.Printf("%s has %s and %s.\n", view.Printable(r.Path), p.Red(view.Count(r.Errors, "error")), view.Count(r.Warnings, "warning"))
	case r.Warnings > 0:
		p.Printf("%s can be used, with %s.\n", view.Printable(r.Path), p.Yellow(view.Count(r.Warnings, "warning")))
	default:
		p.Printf("%s is %s.\n", view.Printable(r.Path), p.Green("fine"))
	}
}
