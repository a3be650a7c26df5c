package reconcile

import (
	"context"
	"slices"

	"dockwall/rules"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

// withLacks adds what this host lacks, and is gone about.
func (c *cycle) withLacks(problems []finding.Finding) []finding.Finding {
	problems = slices.Clone(problems)
	if c.doc != nil && c.options.Inline && c.doc.Settings.Firewall.Sets == "auto" {
		problems = append(problems, finding.New(finding.NoIPSet,
			`ipset is not there, so rules name each address: that does the same, but long lists make it slow. Install the package ipset and restart dockwall, or write sets = "inline"`))
	}
	if slices.Contains(c.without, rules.Log) {
		problems = append(problems, finding.New(finding.NotReported,
			"refused packets are not reported, and agentctl denied shows none: load the kernel's module xt_NFLOG and reload dockwall, or write log_denied = false"))
	}
	if c.frameless != nil {
		problems = append(problems, finding.New(finding.NoFrames, framesMissing))
	}
	if c.loose != nil || slices.Contains(c.without, rules.Stamp) {
		problems = append(problems, finding.New(finding.NoLatch,
			"if another program flushes all tables, what is published is open until the rules are back: to be closed meanwhile it takes Linux 5.12 with nf_tables, and the kernel's module xt_CLASSIFY"))
	}
	return problems
}

// applyWhat brings the kernel to the ruleset, or to as much of it as this host
// takes: where only rules that report or stamp packets are in the way, without
// these. To refuse is what matters. What a tool said is a guess at times: only if it
// goes without, it is gone without from then on.
func (c *cycle) applyWhat(ctx context.Context, rs rules.Ruleset, due Due, r *result) error {
	without := slices.Clone(c.without)
	var found []lack
	latched := c.latched
	for {
		err := c.apply(ctx, rs.Without(without...), due, r)
		kind, lacks := plan.Lacks(err)
		if lacks && !slices.Contains(without, kind) {
			without, found, c.known = append(without, kind), append(found, lack{kind, err}), false
			if kind == rules.Stamp {
				c.lift()
			}
			continue
		}
		if err == nil {
			c.without = without
			c.sayLacks(found)
		} else if latched != nil && c.latched == nil {
			c.close(*latched) // the rules are as they were
		}
		return err
	}
}

// lack is a kind of rules that this host does not take, and what a tool said of it.
type lack struct {
	kind rules.VerdictKind
	err  error
}

func (c *cycle) sayLacks(found []lack) {
	for _, l := range found {
		if l.kind == rules.Log {
			c.o.Log.Warn("refused packets cannot be reported, and are refused without", "error", l.err)
		} else {
			c.o.Log.Warn(latchOpen, "because", "packets cannot be stamped", "error", l.err)
		}
	}
}
