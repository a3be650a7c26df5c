package e2e_test

import (
	"testing"
	"time"

	"dockwall/test/lab"
)

const onlyWanToHostNetwork = `
containers "late" {
  names = ["late*"]
}
containers "other" {
  names = ["other"]
}
published "late" {
  to    = [containers.late]
  ports = ["22/tcp", "8081/tcp", "8082"]
  from  = ["192.0.2.10", "2001:db8:1::10"]
}
published "other" {
  to    = [containers.other]
  ports = ["8090/tcp"]
  from  = ["any"]
}
`

// TestHostNetworkStartsWhileTheAgentIsAway starts a container on the host's network
// that a block names, with its port, while the agent is frozen or dead: the port
// is closed beforehand to those that the block does not let in. The host's own
// service on a port of the same block stays reachable, over a restart too, and a
// container on a bridge that the block names is reached as before.
func TestHostNetworkStartsWhileTheAgentIsAway(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		for name, away := range absences("frozen", "killed") {
			t.Run(name, func(t *testing.T) {
				l := lab.New(t, lab.Options{Engine: engine})
				sshd := l.Client("host").Service("sshd", "tcp:22")
				a := l.Agentd(onlyWanToHostNetwork)
				wan, wan2 := l.Client("wan"), l.Client("wan2")
				reach := func(from *lab.Client, port uint16, server string) {
					t.Helper()
					for _, family := range []int{4, 6} {
						must(t, l, lab.Ask{From: from, Proto: "tcp", Addr: l.HostAddr("eth0", family), Port: port}, server)
					}
				}
				reach(wan2, 22, "sshd")
				sshd.Stop()
				l.Client("host").Serve("sshd", "tcp:22")
				reach(wan2, 22, "sshd")
				l.RunContainer(lab.Spec{Name: "other", Publish: []string{"8090:80"}})
				reach(wan2, 8090, "other")
				away.leave(l, a)
				var floods []*lab.Flood
				many := lab.FloodOptions{For: 2 * time.Minute, Count: 500000, Workers: 12}
				for _, family := range []int{4, 6} {
					floods = append(floods, wan2.Flood("tcp", l.HostAddr("eth0", family), 8081, many),
						wan2.Flood("udp", l.HostAddr("eth0", family), 8082, many))
				}
				l.RunContainer(lab.Spec{Name: "late", Listen: "tcp:8081,udp:8082", Args: []string{"--network", "host"}})
				reach(wan, 8081, "late")
				reach(wan2, 22, "sshd")
				away.back(l, a)
				reach(wan, 8081, "late")
				l.RunContainer(lab.Spec{Name: "event"})
				through(t, 0, floods...)
				if t.Failed() {
					t.Logf("agentd:\n%s", a.Log())
				}
			})
		}
	})
}
