package e2e_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// swarmHosts are two hosts with a wire between them, the manager first.
type swarmHosts struct {
	t     *testing.T
	hosts [2]*lab.Lab
	addrs [2]netip.Addr
}

func newSwarmHosts(t *testing.T, options lab.Options) swarmHosts {
	t.Helper()
	s := swarmHosts{t, [2]*lab.Lab{lab.New(t, options), lab.New(t, options)},
		[2]netip.Addr{netip.MustParseAddr("10.99.0.1"), netip.MustParseAddr("10.99.0.2")}}
	wire := exec.Command("ip", "link", "add", "swarm0", "netns", s.hosts[0].ID()+"-host", "type", "veth",
		"peer", "name", "swarm0", "netns", s.hosts[1].ID()+"-host")
	if out, err := wire.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", wire, err, out)
	}
	for i, h := range s.hosts {
		h.Host("sh", "-ec", fmt.Sprintf("ip addr add %s/24 dev swarm0; ip link set swarm0 up", s.addrs[i]))
	}
	return s
}

// join has the second host join the swarm of the first.
func (s swarmHosts) join(port int) {
	s.t.Helper()
	token := strings.TrimSpace(s.hosts[0].Docker("swarm", "join-token", "-q", "worker"))
	s.hosts[1].Docker("swarm", "join", "--token", token, "--advertise-addr", s.addrs[1].String(), fmt.Sprintf("%s:%d", s.addrs[0], port))
}

// waitReady waits until so many nodes are ready, as the manager sees them.
func (s swarmHosts) waitReady(want int) {
	s.t.Helper()
	untilTrue(s.t, 30*time.Second, fmt.Sprintf("%d nodes to be ready", want), func() bool {
		return strings.Count(s.hosts[0].Docker("node", "ls", "--format", "{{.Status}}"), "Ready") == want
	})
}

// reaches reports whether the other host can connect to a port of this one.
func (s swarmHosts) reaches(host int, port int) bool {
	s.t.Helper()
	_, _, code := s.hosts[1-host].TryHost("timeout", "2", "bash", "-c", fmt.Sprintf("echo > /dev/tcp/%s/%d", s.addrs[host], port))
	return code == 0
}

// TestSwarm has two real nodes: what they tell each other is not Docker's API, and
// neither are dockerd's metrics, until docker_api lists their port.
func TestSwarm(t *testing.T) {
	// The manager listens where nothing but the state of the swarm says it.
	const manager, metrics = 3377, 9323
	s := newSwarmHosts(t, lab.Options{Engine: "28.5", Args: []string{"--live-restore=false", "--metrics-addr", fmt.Sprintf("0.0.0.0:%d", metrics),
		"-H", "unix:///var/run/docker.sock", "-H", "tcp://0.0.0.0:4243", "--tls=false"}})
	s.hosts[0].Docker("swarm", "init", "--advertise-addr", fmt.Sprintf("%s:%d", s.addrs[0], manager), "--listen-addr", fmt.Sprintf("0.0.0.0:%d", manager))
	s.join(manager)
	s.waitReady(2)
	for _, h := range s.hosts {
		h.Agentd("# no policy\n")
	}
	for _, at := range []struct{ host, port int }{{0, manager}, {0, 7946}, {1, 7946}, {0, metrics}} {
		if !s.reaches(at.host, at.port) {
			t.Errorf("port %d of node %d is closed to the other node", at.port, at.host)
		}
	}
	if s.reaches(0, 4243) {
		t.Error("the API is open")
	}
	// A node that joins again needs new connections.
	s.hosts[1].Docker("swarm", "leave")
	s.join(manager)
	untilTrue(t, 30*time.Second, "the node to join again", func() bool {
		return strings.TrimSpace(s.hosts[1].Docker("info", "--format", "{{.Swarm.LocalNodeState}}")) == "active"
	})

	s.hosts[0].WriteConfig(fmt.Sprintf("docker_api {\n  ports = [\"%d/tcp\"]\n  from = [\"192.0.2.10\"]\n}\n", metrics))
	untilTrue(t, 10*time.Second, "metrics to be closed to others", func() bool { return !s.reaches(0, metrics) })
	wan := s.hosts[0].Client("wan")
	if r := wan.Dial("tcp", s.hosts[0].HostAddr("eth0", 4), metrics); !connects(r) {
		t.Errorf("metrics from where docker_api lets in: %s", r)
	}
	if r := wan.Dial("tcp", s.hosts[0].HostAddr("eth0", 4), 4243); connects(r) {
		t.Errorf("docker_api lists the port of the metrics, and the API is open: %s", r)
	}
}

// untilTrue waits for a condition.
func untilTrue(t *testing.T, atMost time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(atMost); !ok(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", atMost, what)
		}
	}
}
