package reconcile

import (
	"dockwall/agent/saved"
	"dockwall/rules/finding"
)

// HostFindings returns what is wrong with the host's own files and no pass changes,
// for Options.Host.
func HostFindings() func() []finding.Finding { return saved.New().Findings }
