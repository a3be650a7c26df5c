package docker

import (
	"os/exec"
	"runtime"
	"testing"
	"time"

	"dockwall/netinfo/docker/dockertest"
)

// sleeper starts a process that does nothing, and reaps it.
func sleeper(t *testing.T) (pid int, kill func()) {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	kill = func() {
		_ = cmd.Process.Kill()
		<-done
	}
	t.Cleanup(kill)
	return cmd.Process.Pid, kill
}

// watched waits until the source watches the process of a container.
func (b *bench) watched(id string, pid int) {
	b.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); runtime.Gosched() {
		p := b.source.watching()
		if p == nil {
			continue
		}
		p.mu.Lock()
		w, ok := p.of[id]
		found := ok && w.pid == pid
		if len(p.of) != len(p.by) {
			b.t.Errorf("%d processes are watched, of %d containers", len(p.by), len(p.of))
		}
		p.mu.Unlock()
		if found {
			return
		}
	}
	b.t.Fatalf("process %d of container %s is not watched", pid, short(id))
}

// The process's death alone takes the address away, and the engine, which has
// not noticed, cannot give it back.
func TestProcessDeath(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		e := newEngine(t, gen)
		b := follow(t, e)
		b.connected()
		pid, kill := sleeper(t)
		id := e.Create(dockertest.Container{Name: "web", PID: pid})
		e.Start(id)
		b.truth()
		b.watched(id, pid)
		reads := e.Requests("/networks/{id}")
		kill()
		died := time.Now()
		f := b.until("no address", func(f Facts) bool { return len(addrs(f, id)) == 0 })
		if f.Event.After(died.Add(100*time.Millisecond)) || f.Event.Before(died.Add(-100*time.Millisecond)) {
			t.Errorf("Event is %v after the death", f.Event.Sub(died))
		}
		other := e.Create(dockertest.Container{Name: "other"})
		e.Start(other)
		b.until("the other's address", func(f Facts) bool { return len(addrs(f, other)) == 1 })
		if e.Requests("/networks/{id}") == reads {
			t.Fatal("the network was not read again: the test shows nothing")
		}
		if got := addrs(b.source.Facts(), id); len(got) != 0 {
			t.Errorf("the dead container has %q again", got)
		}
		e.Kill(id)
		next, _ := sleeper(t)
		e.SetPID(id, next)
		e.Start(id)
		b.truth()
		b.watched(id, next)
	})
}

// While the engine is away, processes are watched all the same.
func TestProcessDeathWithoutEngine(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	pid, kill := sleeper(t)
	id := e.Create(dockertest.Container{Name: "web", PID: pid})
	e.Start(id)
	b := follow(t, e)
	b.connected()
	b.watched(id, pid)
	e.Down()
	b.until("being away", func(f Facts) bool { return !f.Engine.Connected })
	if len(addrs(b.source.Facts(), id)) != 1 {
		t.Error("the facts were lost with the engine")
	}
	kill()
	b.until("no address", func(f Facts) bool { return len(addrs(f, id)) == 0 })
}

// A process that is not there for us says nothing about the container.
func TestProcessUnknown(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	b := follow(t, e)
	b.connected()
	pid, kill := sleeper(t)
	kill()
	id := e.Create(dockertest.Container{Name: "web", PID: pid})
	e.Start(id)
	b.truth()
	e.Pause(id)
	b.truth()
	e.Unpause(id)
	b.truth()
	if len(addrs(b.source.Facts(), id)) != 1 {
		t.Error("the container lost its address")
	}
}

// The process we saw dead was another one, in our own PID namespace: the engine
// keeps saying that the container runs, and is believed after a while.
func TestProcessOfAnotherNamespace(t *testing.T) {
	b := newBook()
	s := sighting{listing: listing{id: id64("a"), name: "web", state: "running"}, pid: 42, endpoints: []string{"e1"}}
	if got := b.inspected(s, b.tick()); len(got.watch) != 1 {
		t.Fatalf("watch: %v", got.watch)
	}
	v := netOf("n", claimOf("a", "e1", "10.0.0.2"))
	b.seen(v, b.tick())
	b.died(process{id64("a"), 42})
	b.inspected(s, b.tick())
	b.seen(v, b.tick())
	if got := addrs(b.facts(), id64("a")); len(got) != 0 {
		t.Fatalf("the engine is believed at once: %q", got)
	}
	b.conts[id64("a")].deadAt = time.Now().Add(-distrust)
	if got := b.inspected(s, b.tick()); len(got.nets) != 1 || len(got.watch) != 0 {
		t.Fatalf("want the network read and nothing watched: %+v", got)
	}
	b.seen(v, b.tick())
	if got := addrs(b.facts(), id64("a")); len(got) != 1 {
		t.Errorf("the address did not come back: %q", got)
	}
}

// A restart that no event told is seen by its endpoint, and its process is
// watched.
func TestUnseenRestart(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	first, _ := sleeper(t)
	id := e.Create(dockertest.Container{Name: "web", PID: first})
	e.Start(id)
	b := follow(t, e, WithResync(50*time.Millisecond))
	b.connected()
	b.watched(id, first)
	next, _ := sleeper(t)
	e.DropEvents(true)
	e.Stop(id)
	e.SetPID(id, next)
	e.Start(id)
	b.watched(id, next)
	b.truth()
}
