package docker_test

import (
	"testing"

	"dockwall/test/lab"
)

// TestLiveRestore stops, kills and restarts dockerd under a live connection.
// While it is down DNAT goes on, and docker-proxy is gone.
func TestLiveRestore(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			l := lab.New(t, lab.Options{Engine: engine, Args: []string{"--live-restore"}})
			l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
			wan, v4, v6 := l.Client("wan"), l.HostAddr("eth0", 4), l.HostAddr("eth0", 6)
			live := wan.Stream("tcp", v4, 8080)
			for name, down := range map[string]func(){"stopped": l.StopDockerd, "killed": l.KillDockerd} {
				down()
				if r := wan.Dial("tcp", v4, 8080); !r.OK {
					t.Errorf("dockerd %s, IPv4 by DNAT: %v", name, r)
				}
				if r := wan.Dial("tcp", v6, 8080); r.Class != "refused" {
					t.Errorf("dockerd %s, IPv6 by docker-proxy: %v", name, r)
				}
				l.StartDockerd()
				for _, addr := range []lab.Ask{ask(wan, "tcp", v4, 8080), ask(wan, "tcp", v6, 8080)} {
					if r := wan.Dial(addr.Proto, addr.Addr, addr.Port); !r.OK {
						t.Errorf("dockerd %s and started, %v: %v", name, addr, r)
					}
				}
				if got := live.Echo(); got != "ok" {
					t.Errorf("dockerd %s and started: the live connection is %s", name, got)
				}
			}
		})
	}
}

// TestRestart shows that without live restore the containers go with dockerd.
func TestRestart(t *testing.T) {
	l := lab.New(t, lab.Options{})
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}, Args: []string{"--restart", "always"}})
	l.RunContainer(lab.Spec{Name: "once", Publish: []string{"8081:80"}})
	wan, v4 := l.Client("wan"), l.HostAddr("eth0", 4)
	l.StopDockerd()
	if r := wan.Dial("tcp", v4, 8080); r.OK {
		t.Errorf("dockerd stopped: %v", r)
	}
	l.StartDockerd()
	if r := wan.Dial("tcp", v4, 8080); r.Server() != "web" {
		t.Errorf("dockerd started, container with a restart policy: %v", r)
	}
	if r := wan.Dial("tcp", v4, 8081); r.OK {
		t.Errorf("dockerd started, container without a restart policy: %v", r)
	}
}

// TestFlood shows that a flood sees what a firewall lets through, and nothing
// when it lets nothing through.
func TestFlood(t *testing.T) {
	l := lab.New(t, lab.Options{})
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	wan, v4 := l.Client("wan"), l.HostAddr("eth0", 4)
	l.Host("iptables", "-I", "DOCKER-USER", "-i", "eth0", "-j", "DROP")
	flood := wan.Flood("tcp", v4, 8080, lab.FloodOptions{Count: 20, Workers: 4})
	if r := flood.Wait(); r.OK != 0 || r.Tried != 20 || r.Classes["timeout"] != 20 {
		t.Errorf("flood against DROP: %+v", r)
	}
	flood = wan.Flood("tcp", v4, 8080, lab.FloodOptions{})
	l.Host("iptables", "-D", "DOCKER-USER", "1")
	if r := wan.Dial("tcp", v4, 8080); !r.OK {
		t.Errorf("through the gap: %v", r)
	}
	l.Host("iptables", "-I", "DOCKER-USER", "-i", "eth0", "-j", "DROP")
	if r := flood.Stop(); r.OK == 0 || len(r.First) == 0 {
		t.Errorf("flood over an opened gap: %+v", r)
	}
}
