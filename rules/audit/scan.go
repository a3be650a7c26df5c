package audit

import (
	"fmt"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

func scanChecks() []Check {
	return []Check{
		{ID: "container.scan", Group: Containers, Severity: finding.Medium, hearsay: true,
			Title:   "The container does not try many addresses and ports that it may not reach",
			Why:     "A program that tries 20 of them within a minute is likely to look for what it can attack.",
			Decides: "the refused packets that the rules report (agentctl denied). Only agentd counts them, and by their source address, which another container may forge",
			Fix:     "Look at agentctl denied --container NAME; if the program is to reach these addresses, write a block that allows it.", container: scanning},
	}
}

func scanning(_ *facts, c *inventory.Container) verdict {
	if c.RefusedTargets == nil {
		return absent("refused packets are counted by agentd alone, and only with log_denied")
	}
	n := *c.RefusedTargets
	return when(n > 0, fmt.Sprintf("it was refused at %d addresses and ports within a minute", n), "it was not refused at many addresses and ports")
}
