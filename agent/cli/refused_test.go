package cli_test

import (
	"slices"
	"strings"
	"testing"

	"dockwall/agent/sandbox"
)

// TestCheckSaysWhatTheServiceCannotRead has root's check ask about every file, and another
// user's ask nothing: what that user cannot read says nothing about the service.
func TestCheckSaysWhatTheServiceCannotRead(t *testing.T) {
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	for euid, code := range map[int]int{0: 1, 1000: 0} {
		c := newCommand(newMachine())
		c.env.EUID = euid
		c.env.Host.Refused = func(config string, files []string) ([]sandbox.Refusal, error) {
			if euid != 0 || config != file || !slices.Contains(files, file) {
				t.Errorf("user %d asks about %s: %v", euid, config, files)
			}
			return []sandbox.Refusal{{Path: file, Why: "it is hidden", Fix: "Move it."}}, nil
		}
		c.mustRun(t, code, "check", "--config", file)
		if text := c.stdout.String(); euid == 0 && (!strings.Contains(text, "dockwall.service cannot read "+file) || !strings.Contains(text, "Root can, but it is hidden. Move it.")) {
			t.Errorf("check says:\n%s", text)
		}
	}
}
