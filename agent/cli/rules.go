package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules/backend"
)

func (a *app) rulesCommand() *cobra.Command {
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
		RunE: a.run(func(ctx context.Context) (result, error) {
			if err := checkFamily(family); err != nil {
				return nil, err
			}
			return a.rules(ctx, snapshot, family, sets)
		}),
	}
	snapshotFlag(cmd, &snapshot)
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
	header
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

func (a *app) rules(ctx context.Context, snapshotFile string, family int, sets bool) (result, error) {
	w, err := a.wanted(ctx, snapshotFile)
	if err != nil {
		return nil, err
	}
	if snapshotFile == "" {
		lacks, err := enforce.Limits(enforce.LimitsPath(a.socketFor(w.doc.Settings)))
		if err != nil {
			a.note("%v", err)
		}
		w.rules = w.rules.Without(lacks...)
	}
	b := a.writing(ctx, w.doc.Settings.Firewall, w.snapshot, snapshotFile)
	r := &rulesResult{Backend: b.Name(), sets: sets}
	for _, t := range b.Texts(w.rules) {
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
	if snapshotFile == "" && a.env.EUID == 0 {
		b, err := a.env.Host.Kernel.Choose(ctx, wish)
		if err == nil {
			return b
		}
		a.note("finding out how to write rules: %v; the rules are written for iptables-nft", err)
	}
	return a.env.Host.Kernel.Assumed(wish)
}

func (r *rulesResult) code() int { return exitSame }

// text is for a file or a pipe: no colours, and nothing that the restore
// commands do not take.
func (r *rulesResult) text(p *printer) {
	for _, f := range r.Families {
		body, tool := f.Rules, f.rulesTool
		if r.sets {
			body, tool = f.Sets, f.setsTool
		}
		if len(r.Families) > 1 {
			p.printf("# IPv%d, for %s\n", f.Family, tool)
		}
		p.printf("%s", body)
	}
}
