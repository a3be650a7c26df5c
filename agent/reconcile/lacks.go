package reconcile

import (
	"slices"

	"dockwall/rules"
	"dockwall/rules/compile"
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
