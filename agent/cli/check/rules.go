package check

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules/backend"
)

// Rules is the verb rules.
func Rules(of *ask.App) *cobra.Command {
	a := &app{of}
	var snapshot string
	var family int
	var sets bool
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Print the desired ruleset as iptables-restore takes it",
		Long: `rules prints what the file asks for, as iptables-restore --noflush takes it on a
host that has nothing of dockwall's yet. The sets that the rules name are
printed with --sets, as ipset restore takes them.`,
		Args: cobra.NoArgs,
		RunE: a.Run(func(ctx context.Context) (view.Result, error) {
			if err := checkFamily(family); err != nil {
				return nil, err
			}
			return a.rules(ctx, snapshot, family, sets)
		}),
	}
	ask.SnapshotFlag(cmd, &snapshot)
	cmd.Flags().IntVar(&family, "family", 0, "4 or 6 (default: both, one after the other)")
	cmd.Flags().BoolVar(&sets, "sets", false, "print the sets instead of the rules")
	return cmd
}

// checkFamily checks --family; 0 is both.
func checkFamily(flag int) error {
	if flag != 0 && flag != 4 && flag != 6 {
		return fmt.Errorf("--family is 4 or 6, not %d", flag)
	}
	return nil
}

// rulesResult is the ruleset as text.
type rulesResult struct {
	view.Header
	Backend  string        `json:"backend"`
	Families []familyRules `json:"families"`
	sets     bool
}

// familyRules is one family's part.
type familyRules struct {
	Family int `json:"family"`
	// Rules is for iptables-restore --noflush, Sets for ipset restore.
	Rules string `json:"rules"`
	Sets  string `json:"sets"`
	// rulesTool and setsTool are these commands.
	rulesTool, setsTool string
}

func (a *app) rules(ctx context.Context, snapshotFile string, family int, sets bool) (view.Result, error) {
	w, err := a.Wanted(ctx, snapshotFile)
	if err != nil {
		return nil, err
	}
	if snapshotFile == "" {
		lacks, err := enforce.Limits(enforce.LimitsPath(a.SocketFor(w.Doc.Settings)))
		if err != nil {
			a.Note("%v", err)
		}
		w.Rules = w.Rules.Without(lacks...)
	}
	b := a.writing(ctx, w.Doc.Settings.Firewall, w.Snapshot, snapshotFile)
	r := &rulesResult{Backend: b.Name(), sets: sets}
	for _, t := range b.Texts(w.Rules) {
		if family == 0 || t.Family == 0 || t.Family == family {
			r.Families = append(r.Families, familyRules{t.Family, t.Rules, t.Sets, t.RulesTool, t.SetsTool})
		}
	}
	return r, nil
}

// writing is the backend that the rules would be written with. From a snapshot, or if the
// kernel cannot be asked (only root may), it follows from the settings alone.
func (a *app) writing(ctx context.Context, f config.FirewallSettings, s netinfo.Snapshot, snapshotFile string) backend.Backend {
	wish := backend.Wish{Backend: f.Backend, Sets: f.Sets, EngineVersion: s.Engine.Version}
	if snapshotFile == "" && a.Env.EUID == 0 {
		b, err := a.Env.Host.Kernel.Choose(ctx, wish)
		if err == nil {
			return b
		}
		a.Note("finding out how to write rules: %v; the rules are written for iptables-nft", err)
	}
	return a.Env.Host.Kernel.Assumed(wish)
}

func (r *rulesResult) Code() int { return view.Same }

// Text is for a file or a pipe: no colours, and nothing that the restore
// commands do not take.
func (r *rulesResult) Text(p *view.Printer) {
	for _, f := range r.Families {
		body, tool := f.Rules, f.rulesTool
		if r.sets {
			body, tool = f.Sets, f.setsTool
		}
		if len(r.Families) > 1 {
			p.Printf("# IPv%d, for %s\n", f.Family, tool)
		}
		p.Printf("%s", body)
	}
}
