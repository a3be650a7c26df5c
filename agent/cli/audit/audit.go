package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/audit"
	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/reconcile"
	"dockwall/netinfo/inventory"
	checks "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// auditFlags are audit's own.
type auditFlags struct {
	only      []string
	container string
	format    string
	failOn    string
	explain   string
	docker    string
	sources   sourceFlags
}

// Audit is the verb audit.
func Audit(of *ask.App) *cobra.Command {
	a := &app{of}
	var f auditFlags
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Judge the host and its containers by a baseline of settings",
		Long: `audit judges this host by a baseline: kernel, host, network, images, containers
and the engine's settings. What the kernel says of a running container decides
before what Docker's API promises. It changes nothing, and needs neither the
daemon nor agent.hcl; without root, much is unknown.

Each line names the severity, the check, what decided and what to do. A check
whose facts cannot be read is unknown, never passed. A note is for a person: no
program can decide it. A skip block of agent.hcl accepts a failure, with a reason:
it is waived then. --explain ID says more about a check. No value of a secret
is printed.

Checks have IDs of their own. The numbers of the CIS Docker Benchmark, 1.6 and
1.8, are with --explain and in the JSON; this is no CIS benchmark.

With --dockerfile, --compose or --image it judges files in place of the host, and names the
lines that decided. That takes neither root nor Docker, except for an image that only
Docker has: nothing is built, fetched or started. A file that cannot be parsed is unknown. A service of a Compose file is
judged as the container that it would be; what the host decides is not applicable.
Of an image, each layer is read, also for files that a later layer removes.

Exit code: 0 nothing failed at or above --fail-on, 1 something did, 2 something
could not be decided, or trouble.`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringSliceVar(&f.only, "only", nil, "judge these checks alone, by their `ID`s")
	cmd.Flags().StringVar(&f.container, "container", "", "judge the container with this `name` alone")
	cmd.Flags().StringVar(&f.format, "format", "text", "text, json, sarif (2.1.0) or junit")
	cmd.Flags().StringVar(&f.failOn, "fail-on", "", "the `severity` from which a failure counts: low, medium or high (default: what the file says, or medium)")
	cmd.Flags().StringVar(&f.explain, "explain", "", "say what the check with this `ID` is about")
	cmd.Flags().StringVar(&f.docker, "docker", "", "where Docker listens (default: what the file says, or unix:///var/run/docker.sock)")
	f.sources.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := f.check(); err != nil {
			return err
		}
		// Trouble is JSON as well where JSON was asked for.
		a.JSON = a.JSON || f.format == "json"
		if f.explain != "" {
			return a.Run(func(context.Context) (view.Result, error) { return explainCheck(f.explain) })(cmd, args)
		}
		return a.Run(func(ctx context.Context) (view.Result, error) { return a.audit(ctx, f) })(cmd, args)
	}
	return cmd
}

// check is the error of flags that make no sense.
func (f *auditFlags) check() error {
	if !slices.Contains([]string{"text", "json", "sarif", "junit"}, f.format) {
		return fmt.Errorf("--format is %q; it has to be text, json, sarif or junit", f.format)
	}
	if f.sources.given() && f.container != "" {
		return errors.New("--container is of a host, and cannot be given with files to judge")
	}
	if f.failOn != "" && !slices.Contains([]string{"low", "medium", "high"}, f.failOn) {
		return fmt.Errorf("--fail-on is %q; it has to be low, medium or high", f.failOn)
	}
	for _, id := range f.only {
		if _, ok := checks.Find(id); !ok {
			return fmt.Errorf("--only: %w", unknownCheck(id))
		}
	}
	return nil
}

// unknownCheck is the error for an ID of no check, with those that are like it.
func unknownCheck(id string) error {
	var like []string
	_, word, _ := strings.Cut(id, ".")
	for _, known := range checks.IDs() {
		if group, rest, _ := strings.Cut(known, "."); word != "" && strings.Contains(rest, word) || group == id {
			like = append(like, known)
		}
	}
	if len(like) == 0 {
		return fmt.Errorf("there is no check %q; agentctl audit --json lists all", id)
	}
	return fmt.Errorf("there is no check %q; there are %s", id, strings.Join(like, ", "))
}

func (a *app) audit(ctx context.Context, f auditFlags) (view.Result, error) {
	if f.sources.given() {
		return a.auditSources(ctx, f)
	}
	settings := a.Settings(f.docker)
	in := a.Env.Host.Audit(ctx, audit.Options{Docker: settings.Docker.Host, Container: f.container, Now: a.Env.Now()})
	if f.container != "" && in.Containers.Read && !has(in.Containers.Value, f.container) {
		return nil, fmt.Errorf("there is no container %s; docker ps -a lists them", f.container)
	}
	if a.Env.EUID != 0 {
		a.Note("without root, much cannot be read")
	}
	doc, _ := config.Load(a.Config)
	if f.failOn == "" {
		f.failOn = config.AuditOf(doc).FailOn // of a file with errors, the default
	}
	r := checks.Judge(&in, a.auditSettings(ctx, doc, f))
	return &auditResult{Findings: r.Findings, report: r, flags: f, version: a.Env.Version}, nil
}

// auditSettings are what the operator's file says to the audit, if there is a file
// without errors.
func (a *app) auditSettings(ctx context.Context, doc *config.Document, f auditFlags) checks.Settings {
	enforced := ""
	if doc != nil {
		enforced = a.notEnforced(ctx, doc)
	}
	s := audit.Settings(doc, a.Env.Now().Format(time.DateOnly), enforced)
	s.Only, s.Container = f.only, f.container
	return s
}

// notEnforced is why it is not known that the file is in force; empty if agentd says so.
func (a *app) notEnforced(ctx context.Context, doc *config.Document) string {
	d, err := a.Running(ctx, a.SocketFor(doc.Settings))
	switch {
	case err != nil:
		return err.Error()
	case d == nil:
		return "agentd does not run"
	case d.Status.State != reconcile.Enforcing:
		return fmt.Sprintf("agentd is %s", d.Status.State)
	}
	return ""
}

// has reports whether one of the containers has this name or ID.
func has(all []inventory.Container, name string) bool {
	return slices.ContainsFunc(all, func(c inventory.Container) bool { return checks.Named(&c, name) })
}

// auditResult is an audit's report.
type auditResult struct {
	view.Header
	Findings []checks.Finding `json:"findings"`
	report   checks.Report
	flags    auditFlags
	version  string
}

func (r *auditResult) Code() int { return r.report.Code(finding.Severity(r.flags.failOn)) }

func (r *auditResult) Text(p *view.Printer) {
	var b bytes.Buffer
	var err error
	switch r.flags.format {
	case "sarif":
		err = audit.SARIF(&b, r.report, r.version)
	case "junit":
		err = audit.JUnit(&b, r.report)
	default:
		err = audit.Text(&b, r.report, p.Colored(), r.flags.container != "" || r.flags.sources.given())
	}
	p.Fail(err)
	p.Printf("%s", b.String())
}

// explainedCheck is what is known of a check.
type explainedCheck struct {
	view.Header
	ID       string           `json:"id"`
	Group    checks.Group     `json:"group"`
	Severity finding.Severity `json:"severity"`
	Title    string           `json:"title"`
	Why      string           `json:"why"`
	Decides  string           `json:"decided_by"`
	Fix      string           `json:"fix"`
	CIS      checks.CIS       `json:"cis,omitzero"`
	check    checks.Check
}

func explainCheck(id string) (view.Result, error) {
	c, ok := checks.Find(id)
	if !ok {
		return nil, unknownCheck(id)
	}
	return &explainedCheck{ID: c.ID, Group: c.Group, Severity: c.Severity, Title: c.Title, Why: c.Why, Decides: c.Decides, Fix: c.Fix, CIS: c.CIS, check: c}, nil
}

func (*explainedCheck) Code() int { return view.Same }

func (r *explainedCheck) Text(p *view.Printer) {
	var b bytes.Buffer
	p.Fail(audit.Explain(&b, r.check, p.Colored()))
	p.Printf("%s", b.String())
}
