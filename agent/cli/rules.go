package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"dockwall/agent/config"
	"dockwall/agent/enforce"
	"dockwall/netinfo"
	"dockwall/rules/backend/iptables"
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
			families, err := familiesOf(family)
			if err != nil {
				return nil, err
			}
			return a.rules(ctx, snapshot, families, sets)
		}),
	}
	snapshotFlag(cmd, &snapshot)
	cmd.Flags().IntVar(&family, "family", 0, "4 or 6 (default: both, one after the other)")
	cmd.Flags().BoolVar(&sets, "sets", false, "print the sets instead of the rules")
	return cmd
}

func familiesOf(flag int) ([]iptables.Family, error) {
	switch flag {
	case 0:
		return []iptables.Family{iptables.V4, iptables.V6}, nil
	case 4:
		return []iptables.Family{iptables.V4}, nil
	case 6:
		return []iptables.Family{iptables.V6}, nil
	}
	return nil, fmt.Errorf("--family is 4 or 6, not %d", flag)
}

// rulesResult is the ruleset as text.
type rulesResult struct {
	header
	Backend  iptables.Variant `json:"backend"`
	Families []familyRules    `json:"families"`
	sets     bool
}

// familyRules is one family's part.
type familyRules struct {
	Family iptables.Family `json:"family"`
	// Rules is for iptables-restore --noflush, Sets for ipset restore.
	Rules string `json:"rules"`
	Sets  string `json:"sets"`
}

func (a *app) rules(ctx context.Context, snapshotFile string, families []iptables.Family, sets bool) (result, error) {
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
	o := a.writing(ctx, w.doc.Settings.Firewall, w.snapshot, snapshotFile)
	r := &rulesResult{Backend: o.Variant, sets: sets}
	for _, f := range families {
		fr := familyRules{Family: f, Rules: iptables.Render(w.rules, f, o).Body}
		if !o.Inline {
			fr.Sets = iptables.SetText(w.rules, f).Body
		}
		r.Families = append(r.Families, fr)
	}
	return r, nil
}

// writing says how the rules would be written. From a snapshot, or where the
// kernel cannot be asked (only root may), it is what the settings say, with
// the usual in the place of "auto".
func (a *app) writing(ctx context.Context, f config.FirewallSettings, s netinfo.Snapshot, snapshotFile string) iptables.Options {
	if snapshotFile == "" && a.env.EUID == 0 {
		o, err := a.options(ctx, f, s)
		if err == nil {
			return o
		}
		a.note("%v; the rules are written for iptables-nft", err)
	}
	variant := iptables.NFT
	if f.Backend == string(iptables.Legacy) {
		variant = iptables.Legacy
	}
	return iptables.Options{Variant: variant, Inline: f.Sets == "inline", Guard: true}
}

// options asks the kernel how the rules are to be written.
func (a *app) options(ctx context.Context, f config.FirewallSettings, s netinfo.Snapshot) (iptables.Options, error) {
	v, err := a.env.Host.Kernel.Detect(ctx, f.Backend)
	if err != nil {
		return iptables.Options{}, fmt.Errorf("finding the iptables in use: %w", err)
	}
	o, err := a.env.Host.Kernel.Options(ctx, f.Sets, v, s.Engine.Version)
	if err != nil {
		return iptables.Options{}, fmt.Errorf("finding out how to write rules: %w", err)
	}
	return o, nil
}

func (r *rulesResult) code() int { return exitSame }

// text is for a file or a pipe: no colours, and nothing that the restore
// commands do not take.
func (r *rulesResult) text(p *printer) {
	for _, f := range r.Families {
		body, tool := f.Rules, restoreTool(f.Family)
		if r.sets {
			body, tool = f.Sets, "ipset restore"
		}
		if len(r.Families) > 1 {
			p.printf("# IPv%d, for %s\n", f.Family, tool)
		}
		p.printf("%s", body)
	}
}

func restoreTool(f iptables.Family) string {
	if f == iptables.V6 {
		return "ip6tables-restore --noflush"
	}
	return "iptables-restore --noflush"
}
