package e2e_test

import (
	"fmt"
	"net"
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

// TestSwarmPeers has a swarm block on both nodes: they stay ready and join again. A host
// that is not among the peers cannot reach Swarm's ports, until the file names it as one.
func TestSwarmPeers(t *testing.T) {
	for _, tt := range []struct{ engine, variant string }{{"20.10", "legacy"}, {"28.5", "nft"}} {
		t.Run(tt.engine, func(t *testing.T) {
			t.Parallel()
			swarmPeers(t, lab.Options{Engine: tt.engine, Variant: tt.variant, Args: []string{"--live-restore=false"}})
		})
	}
}

func swarmPeers(t *testing.T, options lab.Options) {
	const manager = 2377
	s := newSwarmHosts(t, options)
	s.hosts[0].Docker("swarm", "init", "--advertise-addr", s.addrs[0].String())
	for _, h := range s.hosts {
		h.Agentd(peers(s.addrs[0].String(), s.addrs[1].String()))
	}
	s.join(manager)
	s.waitReady(2)

	host, wan := s.hosts[0], s.hosts[0].Client("wan")
	for _, family := range []int{4, 6} {
		at := host.HostAddr("eth0", family)
		for _, port := range []uint16{manager, 7946} {
			if r := wan.Dial("tcp", at, port); connects(r) {
				t.Errorf("%s:%d is open to a host that is no peer: %s", at, port, r)
			}
		}
		// Neither of these answers a stranger: what the rules dropped is counted.
		for _, udp := range []uint16{7946, 4789} {
			dropped := s.dropped(family)
			wan.Dial("udp", at, udp)
			if s.dropped(family) == dropped {
				t.Errorf("%s:%d/udp of a host that is no peer was not dropped", at, udp)
			}
		}
		dropped := s.dropped(family)
		sendESP(t, wan, at)
		if s.dropped(family) == dropped {
			t.Errorf("ESP to %s of a host that is no peer was not dropped", at)
		}
	}
	if out, _, code := host.TryHost("bash", "-c", "echo > /dev/tcp/127.0.0.1/2377"); code != 0 {
		t.Errorf("the host does not reach its own manager: %s", out)
	}

	t.Log("the other node is no peer any more")
	host.WriteConfig(peers(host.HostAddr("eth1", 4).String()))
	untilTrue(t, 40*time.Second, "the node to be down", func() bool {
		return strings.Contains(host.Docker("node", "ls", "--format", "{{.Status}}"), "Down")
	})
	if s.reaches(0, manager) {
		t.Error("the manager is open to a node that is no peer any more")
	}
	t.Log("it is one again, and so is the client")
	host.WriteConfig(peers(s.addrs[1].String(), "192.0.2.10"))
	s.waitReady(2)
	if r := wan.Dial("tcp", host.HostAddr("eth0", 4), manager); !connects(r) {
		t.Errorf("a peer does not reach the manager: %s", r)
	}
}

// peers is a policy whose swarm block has these peers.
func peers(addrs ...string) string {
	return fmt.Sprintf("swarm {\n  peers = [\"%s\"]\n}\n", strings.Join(addrs, "\", \""))
}

// dropped is how many packets the swarm block's chain of the manager has dropped.
func (s swarmHosts) dropped(family int) (n int) {
	s.t.Helper()
	out := s.hosts[0].Host(map[int]string{4: "iptables", 6: "ip6tables"}[family], "-w", "-vnxL", "DOCKWALL-SWARM")
	for _, line := range strings.Split(out, "\n") {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "DROP" {
			var packets int
			if _, err := fmt.Sscan(f[0], &packets); err != nil {
				s.t.Fatalf("%q: %v", line, err)
			}
			n += packets
		}
	}
	return n
}

// sendESP sends a packet of IP protocol 50.
func sendESP(t *testing.T, from *lab.Client, to netip.Addr) {
	t.Helper()
	from.Do(func() error {
		conn, err := net.Dial("ip:50", to.String())
		if err != nil {
			t.Errorf("a socket for ESP: %v", err)
			return nil
		}
		defer conn.Close()
		if _, err := conn.Write(make([]byte, 64)); err != nil {
			t.Errorf("sending ESP to %s: %v", to, err)
		}
		time.Sleep(100 * time.Millisecond)
		return nil
	})
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
