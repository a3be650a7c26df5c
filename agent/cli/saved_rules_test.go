package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/rules/finding"
)

// check warns of files with saved rules of dockwall's, unless it judges another host.
func TestCheckWarnsOfSavedRules(t *testing.T) {
	m := newMachine()
	path := filepath.Join(t.TempDir(), "agent.hcl")
	if err := os.WriteFile(path, []byte("log {\n  level = \"info\"\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newCommand(m)
	if code := c.run(t, "check", "--config", path); code != 0 || strings.Contains(c.stdout.String(), "rules.v4") {
		t.Fatalf("code %d: %s", code, c.stdout.String())
	}
	c.env.RulesOnDisk = func() []finding.Finding {
		return []finding.Finding{finding.New(finding.SavedRules, "/etc/iptables/rules.v4, line 3, holds rules of dockwall's")}
	}
	if code := c.run(t, "check", "--config", path); code != 0 || !strings.Contains(c.stdout.String(), "/etc/iptables/rules.v4, line 3") || !strings.Contains(c.stdout.String(), "1 warning") {
		t.Errorf("code %d: %s", code, c.stdout.String())
	}
}
