package reconcile

import (
	"context"
	"slices"

	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/plan"
)

// withLacks adds what this host lacks, and is gone about.
func (c *cycle) withLacks(problems []compile.Problem) []compile.Problem {
	problems = slices.Clone(problems)
	if c.doc != nil && c.options.Inline && c.doc.Settings.Firewall.Sets == "auto" {
		problems = append(problems, compile.Problem{Code: "no_ipset",
			Message: `ipset is not there, so rules name each address: that does the same, but long lists make it slow. Install the package ipset and restart dockwall, or write sets = "inline"`})
	}
	if slices.Contains(c.without, rules.Log) {
		problems = append(problems, compile.Problem{Code: "not_reported",
			Message: "refused packets are not reported, and agentctl denied shows none: load the kernel's module xt_NFLOG and reload dockwall, or write log_denied = false"})
	}
	if c.loose != nil || slices.Contains(c.without, rules.Stamp) {
		problems = append(problems, compile.Problem{Code: "no_latch",
			Message: "if another program flushes all tables, what is published is open until the rules are back: to be closed meanwhile it takes Linux 5.12 with nf_tables, and the kernel's module xt_CLASSIFY"})
	}
	return problems
}

// applyWhat brings the kernel to the ruleset, or to as much of it as this host
// takes: where only rules that report or stamp packets are in the way, without
// these. To refuse is what matters. What a tool said is a guess at times: only if it
// goes without, it is gone without from then on.
func (c *cycle) applyWhat(ctx context.Context, rs rules.Ruleset, due Due, r *result) error {
	without := slices.Clone(c.without)
	var why []error
	latched := c.latched
	for {
		err := c.apply(ctx, rs.Without(without...), due, r)
		kind, lacks := plan.Lacks(err)
		if lacks && !slices.Contains(without, kind) {
			without, why, c.known = append(without, kind), append(why, err), false
			if kind == rules.Stamp {
				c.lift()
			}
			continue
		}
		if err == nil {
			c.goWithout(without, why)
		} else if latched != nil && c.latched == nil {
			c.close(*latched) // the rules are as they were
		}
		return err
	}
}

// goWithout notes what kinds of rules this host does not take, and for the last of
// them why.
func (c *cycle) goWithout(kinds []rules.VerdictKind, why []error) {
	c.without = kinds
	for i, err := range why {
		if kinds[len(kinds)-len(why)+i] == rules.Log {
			c.o.Log.Warn("refused packets cannot be reported, and are refused without", "error", err)
		} else {
			c.o.Log.Warn("packets cannot be stamped, and the latch stays open: who flushes all tables opens what is published until the rules are back", "error", err)
		}
	}
}
