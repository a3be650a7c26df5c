package fault_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"dockwall/netinfo/docker/dockertest"
)

var soakFor = flag.Duration("soak", 20*time.Second, "how long TestSoak goes on")

// guestPorts are published by namespaces that are always there; the containers
// in the engine's book come and go over them.
var guestPorts = []int{8081, 8082, 8083, 8084}

// tamperings are what other programs do during the soak, in turn.
var tamperings = []string{
	"iptables -D FORWARD 1",
	"ip6tables -F DOCKER-USER",
	"iptables -F FORWARD; ip6tables -F FORWARD",
	"iptables -I FORWARD -j ACCEPT; ip6tables -I INPUT -j ACCEPT; iptables -D FORWARD -j ACCEPT; ip6tables -D INPUT -j ACCEPT",
	"iptables -D DOCKWALL-INPUT 1; ip6tables -D DOCKWALL-PUBLISHED 1",
	"iptables-save | iptables-restore; ip6tables-save | ip6tables-restore",
}

// TestSoak lets everything change at the same time for long: containers come
// and go at 5 a second in a stand-in engine's book (a real one manages one or
// two on a small machine), the file changes every second, others tamper every
// 3 s. In the end nothing got through, and everything is where it was.
func TestSoak(t *testing.T) {
	g := soakGround(t)
	floods := append(g.floods("wan2"), g.Client("wan2").Flood("tcp", g.HostAddr("eth0", 4), uint16(guestPorts[0]), floodFor),
		g.Client("wan2").Flood("tcp", g.HostAddr("eth0", 6), uint16(guestPorts[1]), floodFor))
	g.live(t, 3*time.Second) // what is kept for ever is made once
	before := g.size(t)
	done := g.live(t, *soakFor)
	after := g.size(t)
	r := row{name: "soak", times: 1}
	r.count(t, floods)
	t.Logf("%v: %s; %d of %d connections got through", *soakFor, done, r.through, r.tried)
	t.Logf("before: %s", before)
	t.Logf("after:  %s", after)
	if err := after.grown(before); err != nil {
		t.Error(err)
	}
	if err := g.reached(); err != nil {
		t.Error(err)
	}
	if t.Failed() {
		t.Logf("agentd:\n%s", tail(g.agent.Log(), 30))
	}
}

func soakGround(t *testing.T) *ground {
	g := standInGround(t)
	for i, p := range guestPorts {
		g.place(fmt.Sprintf("guest%d", i), 3+i, p)
	}
	g.writeSoak(0)
	g.agent.Stop() // another socket for the metrics takes another start
	g.launch()
	if _, err := until(10*time.Second, g.asTheFileSays); err != nil {
		t.Fatal(err)
	}
	return g
}

// writeSoak changes the file: another list each time, in which wan is always.
func (g *ground) writeSoak(n int) {
	g.t.Helper()
	var list strings.Builder
	for i := range 500 {
		fmt.Fprintf(&list, "    \"10.%d.%d.%d\", \"2001:db8:%x::%x\",\n", n%250, i>>8, i&255, 0x1000+n%250, i)
	}
	g.WriteConfig(fmt.Sprintf(`
addresses "list" {
  cidrs = [
%s    "192.0.2.10", "2001:db8:1::10",
  ]
}
containers "guests" {
  names = ["friend-*"]
}
published "web" {
  from = [addresses.list]
}
egress "guests" {
  from = [containers.guests]
  to   = [addresses.list]
}
control {
  metrics = "127.0.0.1:9100"
}
firewall {
  resync = "5s"
}
`, list.String()))
}

// lived is what happened.
type lived struct{ starts, files, tampered int }

func (l lived) String() string {
	return fmt.Sprintf("%d containers came and went, %d files, %d tamperings", l.starts, l.files, l.tampered)
}

// live lets everything change for a time, and waits until all is whole again.
func (g *ground) live(t *testing.T, d time.Duration) lived {
	t.Helper()
	var l lived
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for time.Since(began) < d {
		<-tick.C
		g.turn(l.starts)
		l.starts++
		if int(time.Since(began)/time.Second) > l.files {
			l.files++
			g.writeSoak(l.files)
		}
		if int(time.Since(began)/(3*time.Second)) > l.tampered {
			g.TryHost("sh", "-c", tamperings[l.tampered%len(tamperings)])
			l.tampered++
		}
	}
	for _, id := range g.guests {
		g.engine.Kill(id)
		g.engine.Remove(id)
	}
	g.guests = nil
	g.writeSoak(0)
	if took, err := until(15*time.Second, func() error { return g.calm() }); err != nil {
		t.Errorf("not whole %v after everything stopped: %v", took, err)
	}
	return l
}

// turn ends the oldest guest and starts another, so that addresses are reused
// at once; some may be named by the policy, some not.
func (g *ground) turn(n int) {
	if len(g.guests) >= len(guestPorts) {
		g.engine.Kill(g.guests[0])
		g.engine.Remove(g.guests[0])
		g.guests = g.guests[1:]
	}
	name := []string{"friend", "other", "friend"}[n%3]
	id := g.engine.Create(dockertest.Container{Name: fmt.Sprintf("%s-%d", name, n), Image: "guest", Networks: []string{"net1"},
		Ports: []dockertest.Port{{Port: "80/tcp", HostPort: fmt.Sprint(guestPorts[n%len(guestPorts)])}}})
	g.engine.Start(id)
	g.guests = append(g.guests, id)
}

// calm is nil when the one container is known, and the kernel as the file says.
func (g *ground) calm() error {
	if st := g.status(); st.Containers != 1 {
		return fmt.Errorf("the agent knows %d containers, and 1 runs", st.Containers)
	}
	return g.asTheFileSays()
}
