package e2e_test

import (
	"testing"
	"time"

	"dockwall/rules/finding"
	"dockwall/test/lab"
)

// TestUnattributedHostNetwork: on a host with cgroup v1 alone, agentd with the capabilities
// of its unit cannot know whose process listens. status says so and names the port, which
// is open; a block that names the container and the port closes it all the same.
func TestUnattributedHostNetwork(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine, NoUnified: true, AgentCaps: []string{"net_admin", "net_raw", "lease"}})
		a := l.Agentd("")
		a.WaitState("enforcing")
		node := l.RunContainer(lab.Spec{Name: "node", Network: "host", Listen: "tcp:8123"})
		awaitNamed(t, a, finding.Unattributed, "node", "8123/tcp")
		reaches := func() bool {
			return l.Client("wan").Dial("tcp", l.HostAddr("eth0", 4), 8123).OK
		}
		if !reaches() {
			t.Error("the port is closed, and status says that it is open")
		}
		l.WriteConfig(`containers "node" { names = ["node"] }
published "node" {
  to    = [containers.node]
  ports = ["8123/tcp"]
  from  = ["203.0.113.1"]
}
`)
		for began := time.Now(); reaches(); time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatal("a block names the container and its port, and a stranger gets in")
			}
		}
		node.Remove()
		a.WaitState("enforcing")
		a.Stop()
	})
}
