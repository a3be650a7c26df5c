package lastgood

import "testing"

func TestPath(t *testing.T) {
	if got := Path("/var/lib/dockwall", "/run/dockwall/agent.sock"); got != "/var/lib/dockwall/policy.json" {
		t.Errorf("with a state folder: %s", got)
	}
	if got := Path("", "/run/dockwall/agent.sock"); got != "/run/dockwall/policy.json" {
		t.Errorf("without: %s", got)
	}
}
