package docker

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"dockwall/netinfo/docker/dockertest"
)

func TestLife(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		e := newEngine(t, gen)
		b := follow(t, e)
		b.connected()
		e.CreateNetwork(dockertest.Network{Name: "front"})
		back := e.CreateNetwork(dockertest.Network{Name: "back"})
		id := e.Create(dockertest.Container{Name: "web", Labels: map[string]string{"a": "b"}, Networks: []string{"front"},
			Ports: []dockertest.Port{{Port: "80/tcp", HostPort: "8080"}, {Port: "81/tcp"}}})
		b.truth()
		steps := []struct {
			name string
			do   func()
		}{
			{"start", func() { e.Start(id) }},
			{"connect", func() { e.Connect(id, "back") }},
			{"disconnect", func() { e.Disconnect(id, "back") }},
			{"pause", func() { e.Pause(id) }},
			{"rename", func() { e.Rename(id, "aaa") }},
			{"unpause", func() { e.Unpause(id) }},
			{"stop", func() { e.Stop(id) }},
			{"start again", func() { e.Start(id) }},
			{"restart", func() { e.Stop(id); e.Start(id) }},
			{"kill", func() { e.Kill(id) }},
			{"remove network", func() { e.RemoveNetwork(back) }},
			{"remove", func() { e.Remove(id) }},
		}
		for _, s := range steps {
			t.Log(s.name)
			s.do()
			b.truth()
		}
	})
}

// Every step of a container's end, seen alone, leaves it without address.
func TestEndStepByStep(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		e := newEngine(t, gen)
		b := follow(t, e)
		id := e.Create(dockertest.Container{Name: "web"})
		e.Start(id)
		b.connected()
		b.until("having an address", func(f Facts) bool { return len(addrs(f, id)) == 1 })
		gone := false
		for _, s := range e.Exit(id, true) {
			s.Do()
			gone = gone || s.Name == "die" || s.Name == "disconnect"
			if gone {
				b.until("having no address after "+s.Name, func(f Facts) bool { return len(addrs(f, id)) == 0 })
			}
		}
		b.truth()
	})
}

// An engine of the first generation still lists a container on its network
// after it has said that it died.
func TestReadingDoesNotReviveTheDead(t *testing.T) {
	e := newEngine(t, dockertest.Gen20)
	b := follow(t, e)
	id := e.Create(dockertest.Container{Name: "web"})
	e.Start(id)
	b.connected()
	b.until("having an address", func(f Facts) bool { return len(addrs(f, id)) == 1 })
	steps := e.Exit(id, false)
	steps[0].Do() // die
	b.until("having no address", func(f Facts) bool { return len(addrs(f, id)) == 0 })
	reads := e.Requests("/networks/{id}")
	other := e.Create(dockertest.Container{Name: "other"})
	e.Start(other)
	b.until("the other's address", func(f Facts) bool { return len(addrs(f, other)) == 1 })
	if e.Requests("/networks/{id}") == reads {
		t.Fatal("the network was not read again: the test shows nothing")
	}
	if got := addrs(b.source.Facts(), id); len(got) != 0 {
		t.Errorf("the dead container has %q again", got)
	}
	for _, s := range steps[1:] {
		s.Do()
	}
	e.Start(id)
	b.truth()
}

// The address is given to another container before the engine says that the
// first has left.
func TestAddressReusedBeforeDisconnect(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		if gen == dockertest.Gen20 {
			t.Skip("says die before it releases the address")
		}
		e := newEngine(t, gen)
		b := follow(t, e)
		first := e.Create(dockertest.Container{Name: "first"})
		second := e.Create(dockertest.Container{Name: "second"})
		e.Start(first)
		b.connected()
		f := b.until("first's address", func(f Facts) bool { return len(addrs(f, first)) == 1 })
		addr := addrs(f, first)[0]
		steps := e.Exit(first, true)
		steps[0].Do() // release
		e.Start(second)
		// Invariant 3 is watched at every notification.
		f = b.until("second's address", func(f Facts) bool { return len(addrs(f, second)) == 1 })
		if got := addrs(f, second)[0]; got != addr || len(addrs(f, first)) != 0 {
			t.Errorf("second has %s, first %q; want %s and none", got, addrs(f, first), addr)
		}
		for _, s := range steps[1:] {
			s.Do()
		}
		b.truth()
		e.Start(first)
		b.truth()
	})
}

func TestSwap(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		e := newEngine(t, gen)
		b := follow(t, e)
		ids := []string{e.Create(dockertest.Container{Name: "a"}), e.Create(dockertest.Container{Name: "b"})}
		for i := range 10 {
			e.Start(ids[i%2])
			e.Start(ids[1-i%2])
			e.Kill(ids[0])
			e.Stop(ids[1])
		}
		e.Start(ids[1])
		e.Start(ids[0])
		b.connected()
		b.truth()
	})
}

// While a container starts, inspecting it blocks: its address is known, and so
// is everything about others.
func TestBlockedInspect(t *testing.T) {
	e := newEngine(t, dockertest.Gen26)
	b := follow(t, e)
	b.connected()
	ids := make([]string, 50)
	for i := range ids {
		ids[i] = e.Create(dockertest.Container{Name: fmt.Sprint("c", i), Ports: []dockertest.Port{{Port: "80/tcp", HostPort: "80"}}})
		e.Begin(ids[i])
	}
	b.until("50 addresses before any has started", func(f Facts) bool {
		for _, id := range ids {
			if len(addrs(f, id)) == 0 {
				return false
			}
		}
		return true
	})
	late := e.Create(dockertest.Container{Name: "late", Ports: []dockertest.Port{{Port: "80/tcp"}}})
	e.Start(late)
	b.until("another's start, and its ports", func(f Facts) bool {
		c := containerOf(f, late)
		return c.Running() && len(addrs(f, late)) == 1 && len(c.Ports) == 2
	})
	for _, id := range ids {
		e.Finish(id)
	}
	b.truth()
}

// An endpoint that is leaving is listed under its own ID; two containers that
// claim one address get it neither.
func TestDisputedAddress(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	id := e.Create(dockertest.Container{Name: "web"})
	rival := e.Create(dockertest.Container{Name: "rival", Networks: []string{"none"}})
	e.Start(id)
	e.Dispute(id, "bridge", "ep-1234", "web")
	undo := e.Dispute(id, "bridge", rival, "rival")
	b := follow(t, e)
	f := b.connected()
	if got := append(addrs(f, id), addrs(f, rival)...); len(got) != 0 {
		t.Errorf("disputed address is given: %q", got)
	}
	undo()
	b.truth()
}

func TestGatewayEndpoints(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	e.CreateNetwork(dockertest.Network{Name: "docker_gwbridge", Options: map[string]string{"com.docker.network.bridge.name": "docker_gwbridge"}})
	id := e.Create(dockertest.Container{Name: "task"})
	other := e.Create(dockertest.Container{Name: "other", Networks: []string{"docker_gwbridge"}})
	e.Start(other)
	e.Start(id)
	e.Dispute(id, "bridge", "ep-77", "nobody")
	e.Stop(other)
	e.Attach("docker_gwbridge", "ep-1", "gateway_"+id[:12])
	e.Attach("docker_gwbridge", "ingress-sbox", "gateway_ingress-sbox")
	b := follow(t, e)
	f := b.connected()
	if got := addrs(f, id); len(got) != 2 {
		t.Errorf("addresses of task: %q; want one on bridge and one on docker_gwbridge", got)
	}
	e.Kill(id)
	b.until("no addresses", func(f Facts) bool { return len(addrs(f, id)) == 0 })
}

// A read that takes long does not undo what an event told after it began.
func TestSlowReadIsOlderThanEvent(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	id := e.Create(dockertest.Container{Name: "web"})
	e.Start(id)
	b := follow(t, e)
	b.connected()
	b.until("address", func(f Facts) bool { return len(addrs(f, id)) == 1 })
	var caught atomic.Bool
	arrived, release := make(chan struct{}), make(chan struct{})
	bridge := e.NetworkID("bridge")
	e.Delay("/networks/"+bridge, func() {
		if caught.CompareAndSwap(false, true) {
			close(arrived)
			<-release
		}
	})
	e.Start(e.Create(dockertest.Container{Name: "other"})) // has the network read
	<-arrived                                              // the answer is made up, with web in it
	e.Kill(id)
	b.until("no address", func(f Facts) bool { return len(addrs(f, id)) == 0 })
	var stale atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			if len(addrs(b.source.Facts(), id)) > 0 {
				stale.Store(true)
			}
		}
	}()
	close(release)
	<-done
	if stale.Load() {
		t.Error("an old answer brought the address back")
	}
	b.truth()
}
