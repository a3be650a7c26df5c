package cli_test

import (
	"strings"
	"testing"

	"dockwall/agent/enforce"
	"dockwall/rules/finding"
)

// check says what the kernel lacks, unless it judges another host.
func TestCheckSaysWhatTheKernelLacks(t *testing.T) {
	m := newMachine()
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	c := newCommand(m)
	c.env.Host.Lacks = func() []finding.Finding { return []finding.Finding{enforce.NoFrames()} }
	c.mustRun(t, 0, "check", "--config", file)
	if out := c.stdout.String(); !strings.Contains(out, "Warning: bridged frames are not checked") || !strings.Contains(out, "with 1 warning") {
		t.Errorf("check says\n%s", out)
	}
}
