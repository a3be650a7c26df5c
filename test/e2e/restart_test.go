package e2e_test

import (
	"fmt"
	"testing"

	"dockwall/test/lab"
)

const onlyWan = `
published "web" {
  from = ["192.0.2.10", "2001:db8:1::10"]
}
defaults {
  egress = "deny"
}
`

// TestLiveRestore restarts dockerd three times with its containers running, on
// eight networks, under floods from outside and from inside. Docker 28 and
// later lift their own chain above DOCKER-USER meanwhile.
func TestLiveRestore(t *testing.T) {
	oneByOne(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine, Args: []string{"--live-restore"}})
		var last *lab.Container
		for i := 1; i <= 8; i++ {
			last = l.RunContainer(lab.Spec{
				Name: fmt.Sprintf("web%d", i), Network: six(l, i), Publish: []string{fmt.Sprintf("%d:80", 8080+i)},
			})
		}
		l.Client("wan2").Serve("outside", "tcp:7000")
		a := l.Agentd(onlyWan)
		wan, wan2 := l.Client("wan"), l.Client("wan2")
		four, under := l.HostAddr("eth0", 4), l.HostAddr("eth0", 6)
		must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: under, Port: 8088}, "web8")
		floods := []*lab.Flood{
			wan2.Flood("tcp", four, 8081, floodFor), wan2.Flood("tcp", under, 8081, floodFor),
			wan2.Flood("tcp", four, 8088, floodFor), wan2.Flood("tcp", last.Addr("net8", 4), 80, floodFor),
			last.Client().Flood("tcp", l.ClientAddr("wan2", 4), 7000, floodFor),
			last.Client().Flood("tcp", l.ClientAddr("wan2", 6), 7000, floodFor),
		}
		for range 3 {
			l.RestartDockerd()
		}
		through(t, 0, floods...)
		a.WaitState("enforcing")
		for i := 1; i <= 8; i++ {
			must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: four, Port: uint16(8080 + i)}, fmt.Sprintf("web%d", i))
		}
	})
}

// TestDockerdsOwnPortOverRestarts restarts and kills an engine that listens
// elsewhere than on 2375, under a flood of that port. It listens some time before
// it answers, and would be open to the world until somebody looked at its sockets.
func TestDockerdsOwnPortOverRestarts(t *testing.T) {
	oneByOne(t, wanted[:], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine, Args: []string{"-H", "unix:///var/run/docker.sock", "-H", "tcp://[::]:4243", "--tls=false"}})
		a := l.Agentd("# no policy\n")
		wan := l.Client("wan")
		floods := []*lab.Flood{wan.Flood("tcp", l.HostAddr("eth0", 4), 4243, floodFor), wan.Flood("tcp", l.HostAddr("eth0", 6), 4243, floodFor)}
		l.RestartDockerd()
		l.KillDockerd()
		l.StartDockerd()
		for i, f := range floods {
			r := f.Stop()
			t.Logf("flood %d: %s, %v", i+1, tally(r), r.Classes)
			if r.Classes["timeout"] < 50 {
				t.Errorf("flood %d: only %d were stopped", i+1, r.Classes["timeout"])
			}
			// dockerd waits for a request, as long as anybody likes.
			if in := r.Classes["silent"] + r.Classes["reset"] + r.Classes["refused"]; in > 0 {
				t.Errorf("flood %d: %d came to dockerd's port", i+1, in)
			}
		}
		if t.Failed() {
			t.Logf("agentd:\n%s", a.Log())
		}
	})
}

// TestNetworkCreate makes and removes networks under a flood. Engines before 28
// take their jump to DOCKER-USER away for some milliseconds each time. The guard
// holds meanwhile; in legacy tables it stands in FORWARD itself.
func TestNetworkCreate(t *testing.T) {
	for variant, many := range map[string]int{"nft": 60, "legacy": 100} {
		t.Run(variant, func(t *testing.T) { createNetworks(t, variant, many) })
	}
}

func createNetworks(t *testing.T, variant string, many int) {
	onEngines(t, wanted[:2], func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine, Variant: variant})
		l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
		a := l.Agentd(onlyWan)
		wan, wan2 := l.Client("wan"), l.Client("wan2")
		must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "web")
		flood := wan2.Flood("tcp", l.HostAddr("eth0", 4), 8080, lab.FloodOptions{For: floodFor.For, Workers: 12})
		for i := range many {
			name := fmt.Sprintf("net%d", i)
			l.Docker("network", "create", name)
			if i%10 == 9 {
				l.Docker("network", "prune", "--force")
			}
		}
		through(t, 0, flood)
		if t.Failed() {
			t.Logf("agentd:\n%s", a.Log())
		}
		must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "web")
		a.Stop()
		if _, stderr, code := l.Agentctl("remove"); code != 0 {
			t.Errorf("agentctl remove: %s", stderr)
		}
		if left := lab.Owned(l.Save()); left != "" {
			t.Errorf("removing leaves:\n%s", left)
		}
	})
}
