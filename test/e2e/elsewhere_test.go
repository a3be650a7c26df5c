package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"dockwall/rules/finding"
	"dockwall/test/lab"
)

// An agent whose network namespace is not the engine's, and a network whose bridge is
// gone, are degraded: no rule there meets the packets of containers.
func TestNetworksThatAreNotHere(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.Docker("network", "create", "-o", "com.docker.network.bridge.name=shop0", "shop")
		l.WriteConfig("")
		away := l.LaunchAgentdElsewhere()
		awaitNamed(t, away, finding.DockerElsewhere, "another network namespace", "docker0", "shop (bridge shop0)")
		away.Stop()

		a := l.Agentd("")
		l.Host("ip", "link", "delete", "shop0")
		awaitNamed(t, a, finding.BridgeMissing, "network shop", "shop0")
		if stdout, stderr, _ := l.Agentctl("check"); !strings.Contains(stdout+stderr, "shop0") {
			t.Errorf("agentctl check does not name the bridge:\n%s%s", stdout, stderr)
		}
		l.Docker("network", "rm", "shop")
		a.WaitState("enforcing")
		a.Stop()
	})
}

// awaitNamed waits until the agent gives the reason, with all of the words.
func awaitNamed(t *testing.T, a *lab.Agent, code finding.Code, words ...string) {
	t.Helper()
	var reasons []finding.Finding
	for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(100 * time.Millisecond) {
		st, err := a.Status()
		if err != nil {
			continue
		}
		reasons = st.Reasons
		if st.State == "degraded" && slices.ContainsFunc(reasons, func(f finding.Finding) bool {
			return f.Code == code && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(f.Message, w) })
		}) {
			return
		}
	}
	t.Fatalf("the reasons are %+v, want %s with %q", reasons, code, words)
}
