package docker

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dockwall/netinfo/docker/dockertest"
)

func TestEngineAway(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	e.Down()
	b := follow(t, e)
	f := b.until("an error", func(f Facts) bool { return f.Engine.Error != "" })
	if want := "cannot connect to " + e.Host() + ": no such file or directory"; f.Engine.Error != want {
		t.Errorf("error %q, want %q", f.Engine.Error, want)
	}
	if f.Engine.Connected || f.Engine.Known {
		t.Errorf("engine: %+v", f.Engine)
	}
	if err := e.Up(); err != nil {
		t.Fatal(err)
	}
	id := e.Create(dockertest.Container{Name: "web"})
	e.Start(id)
	b.connected()
	b.truth()
	e.Down()
	f = b.until("being away", func(f Facts) bool { return !f.Engine.Connected })
	if !f.Engine.Known || len(addrs(f, id)) != 1 || f.Engine.Error == "" || f.Engine.Version == "" {
		t.Errorf("facts while away: %+v", f)
	}
	e.Kill(id) // no reader gets the event
	if err := e.Up(); err != nil {
		t.Fatal(err)
	}
	f = b.connected()
	if len(addrs(f, id)) != 0 {
		t.Error("connected with a stale address")
	}
	b.truth()
}

func TestDaemonRestart(t *testing.T) {
	every(t, func(t *testing.T, gen dockertest.Generation) {
		e := newEngine(t, gen)
		b := follow(t, e)
		b.connected()
		id := e.Create(dockertest.Container{Name: "web"})
		e.Start(id)
		b.truth()
		old := e.NetworkID("bridge")
		if err := e.Restart(); err != nil {
			t.Fatal(err)
		}
		e.Start(id)
		b.until("the new bridge", func(f Facts) bool {
			return f.Engine.Connected && len(f.Networks) == 3 && f.Networks[0].ID != old
		})
		b.truth()
	})
}

func TestStreamCut(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	b := follow(t, e)
	b.connected()
	for i := range 3 {
		e.DropEvents(true)
		e.Start(e.Create(dockertest.Container{Name: fmt.Sprint("c", i)}))
		e.DropEvents(false)
		e.CutStreams()
		b.truth()
	}
}

func TestResyncRepairsLostEvents(t *testing.T) {
	e := newEngine(t, dockertest.Gen26)
	a := e.Create(dockertest.Container{Name: "a", Ports: []dockertest.Port{{Port: "80/tcp"}}})
	gone := e.Create(dockertest.Container{Name: "gone"})
	e.Start(a)
	b := follow(t, e, WithResync(50*time.Millisecond))
	b.connected()
	b.truth()
	e.DropEvents(true)
	e.Remove(gone)
	e.Stop(a)
	b.truth()
	e.Start(e.Create(dockertest.Container{Name: "first"})) // takes a's address
	e.Start(a)
	e.CreateNetwork(dockertest.Network{Name: "new"})
	e.Rename(a, "zzz")
	b.truth()
	e.Kill(a) // a run that came and went unseen has another endpoint
	e.Start(a)
	b.truth()
}

// A resync costs a few calls, however many containers there are.
func TestResyncIsCheap(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	for i := range 40 {
		e.Start(e.Create(dockertest.Container{Name: fmt.Sprint("c", i)}))
	}
	b := follow(t, e, WithResync(20*time.Millisecond))
	b.connected()
	b.truth()
	inspects, lists, infos := e.Requests("/containers/{id}/json"), e.Requests("/containers/json"), e.Requests("/info")
	for e.Requests("/containers/json") < lists+2 {
		time.Sleep(5 * time.Millisecond)
	}
	if got := e.Requests("/info") - infos; got < fullResync {
		t.Errorf("the containers were listed twice in %d resyncs in which nothing changed", got)
	}
	if got := e.Requests("/containers/{id}/json"); got != inspects {
		t.Errorf("%d containers were inspected again", got-inspects)
	}
}

// Of many networks some are read at each resync, and all of them soon: a container
// that was connected without an event is found on any of them. So is a start that no
// event told, at the first one.
func TestResyncTakesTurns(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	const nets = 24
	for i := range nets {
		e.CreateNetwork(dockertest.Network{Name: fmt.Sprint("n", i)})
	}
	id := e.Create(dockertest.Container{Name: "c"})
	e.Start(id)
	b := follow(t, e, WithResync(20*time.Millisecond))
	b.connected()
	b.truth()
	reads, lists, infos := e.Requests("/networks/{id}"), e.Requests("/containers/json"), e.Requests("/info")
	for e.Requests("/info") < infos+networkTurns {
		time.Sleep(time.Millisecond)
	}
	if got := e.Requests("/networks/{id}") - reads; got > 3*nets {
		t.Errorf("%d networks were read %d times in %d resyncs", nets, got, networkTurns)
	}
	for i := range nets {
		e.DropEvents(true)
		e.Connect(id, fmt.Sprint("n", i))
		e.DropEvents(false)
		b.truth()
	}
	if e.Requests("/containers/json") == lists {
		t.Error("that a container is on another network did not have the containers listed")
	}
	infos = e.Requests("/info")
	e.DropEvents(true)
	e.Start(e.Create(dockertest.Container{Name: "more"}))
	e.DropEvents(false)
	b.truth()
	if got := e.Requests("/info") - infos; got > 2 {
		t.Errorf("an unseen start was found after %d resyncs", got)
	}
}

func TestHang(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	b := follow(t, e, WithTimeout(100*time.Millisecond), WithPing(50*time.Millisecond))
	b.connected()
	e.Interpose(dockertest.Hang)
	f := b.until("being away", func(f Facts) bool { return !f.Engine.Connected })
	if !strings.Contains(f.Engine.Error, "does not answer") {
		t.Errorf("error: %q", f.Engine.Error)
	}
	e.Interpose(nil)
	b.connected()
}

func TestGarbage(t *testing.T) {
	for _, body := range []string{"", "null", "{}", "[]", "[{}]", `"x"`, "<html>", `{"Id":"x"}`, `[{"Id":""}]`, `{"Containers":{"a":null}}`} {
		for _, path := range []string{"", "/networks", "/containers", "/info", "/version", "/events", "/_ping"} {
			e := newEngine(t, dockertest.Gen28)
			id := e.Create(dockertest.Container{Name: "web"})
			e.Start(id)
			e.Interpose(dockertest.Garbage(path, body))
			b := follow(t, e)
			b.until("an answer", func(f Facts) bool { return f.Engine.Error != "" || f.Engine.Connected })
			e.Interpose(nil)
			e.CutStreams()
			b.truth()
			b.stop()
		}
	}
}

func TestGarbledEvents(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	b := follow(t, e)
	b.connected()
	for _, raw := range []string{`{}`, `{"Type":"container","Action":"die"}`, `{"Type":"network","Action":"disconnect","Actor":{"ID":"zz"}}`,
		`{"Type":"network","Action":"connect"}`, `{"Type":"container","Action":"start","Actor":{"ID":"nobody"}}`, "\x00\x01", `[1]`} {
		e.Inject(raw)
		e.Start(e.Create(dockertest.Container{Name: "after " + raw}))
		b.until("connected after "+raw, func(f Facts) bool { return f.Engine.Connected && b.difference() == "" })
	}
}

// One object that cannot be read does not hide the others.
func TestMalformedPorts(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	b := follow(t, e)
	b.connected()
	e.Begin(e.Create(dockertest.Container{Name: "bad", Networks: []string{"bridge"}, Ports: []dockertest.Port{
		{Port: "80/tcp", HostPort: "x"}, {Port: "81/xyz"}, {Port: "0/tcp"}, {Port: "82/tcp", HostIP: "1.2.3"}, {Port: "83/tcp", HostPort: "9-8"}}}))
	good := e.Create(dockertest.Container{Name: "good", Ports: []dockertest.Port{{Port: "80/tcp", HostPort: "8080"}}})
	b.until("good's port", func(f Facts) bool { return len(containerOf(f, good).Ports) == 1 })
}

func TestFirewallBackendReload(t *testing.T) {
	e := newEngine(t, dockertest.Gen28)
	b := follow(t, e)
	b.connected()
	e.SetFirewallBackend("nftables")
	b.until("the backend", func(f Facts) bool { return f.Engine.FirewallBackend == "nftables" })
}

// Whatever happens, in whatever order, the facts become the truth, and no
// address is ever with two containers.
func TestHistories(t *testing.T) {
	var serial atomic.Int32
	rapid.Check(t, func(rt *rapid.T) {
		gen := rapid.SampledFrom([]dockertest.Generation{dockertest.Gen20, dockertest.Gen26, dockertest.Gen28}).Draw(rt, "generation")
		e := newEngine(t, gen)
		defer e.Close()
		b := follow(t, e)
		defer b.stop()
		w := &world{rt: rt, e: e, serial: &serial, nets: []string{"one", "two"}, state: map[string]string{}}
		for _, n := range w.nets {
			e.CreateNetwork(dockertest.Network{Name: n})
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			w.step()
		}
		for len(w.pending) > 0 {
			w.advance()
		}
		e.DropEvents(false)
		if w.lost {
			e.CutStreams()
		}
		b.truth()
	})
}

// world drives an engine at random.
type world struct {
	rt      *rapid.T
	e       *dockertest.Engine
	serial  *atomic.Int32
	nets    []string
	ids     []string
	state   map[string]string
	pending []dockertest.Step
	lost    bool
}

func (w *world) step() {
	actions := []string{"create", "start", "exit", "exit", "advance", "advance", "connect", "disconnect", "remove", "rename", "lose", "cut"}
	switch rapid.SampledFrom(actions).Draw(w.rt, "action") {
	case "create":
		n := w.serial.Add(1)
		id := w.e.Create(dockertest.Container{Name: fmt.Sprint("c", n), Networks: []string{"one"}, Ports: []dockertest.Port{{Port: "80/tcp", HostPort: fmt.Sprint(8000 + n%1000)}}})
		w.ids, w.state[id] = append(w.ids, id), "idle"
	case "start":
		if id := w.pick("idle"); id != "" {
			w.e.Start(id)
			w.state[id] = "running"
		}
	case "exit":
		if id := w.pick("running"); id != "" {
			w.state[id] = "leaving"
			w.pending = append(w.pending, w.e.Exit(id, rapid.Bool().Draw(w.rt, "stop"))...)
			w.pending = append(w.pending, dockertest.Step{Name: "idle", Do: func() { w.state[id] = "idle" }})
		}
	case "advance":
		w.advance()
	case "connect", "disconnect":
		w.replug()
	case "remove":
		if id := w.pick("idle"); id != "" {
			w.e.Remove(id)
			w.state[id] = "removed"
		}
	case "rename":
		if id := w.pick("idle"); id != "" {
			w.e.Rename(id, fmt.Sprint("r", w.serial.Add(1)))
		}
	case "lose":
		w.lost = true
		w.e.DropEvents(rapid.Bool().Draw(w.rt, "lose"))
	case "cut":
		w.e.CutStreams()
	}
}

func (w *world) replug() {
	id := w.pick("running")
	if id == "" {
		return
	}
	if w.state[id+" two"] == "" {
		w.e.Connect(id, "two")
		w.state[id+" two"] = "yes"
		return
	}
	w.e.Disconnect(id, "two")
	w.state[id+" two"] = ""
}

func (w *world) advance() {
	if len(w.pending) > 0 {
		s := w.pending[0]
		w.pending = w.pending[1:]
		s.Do()
	}
}

// pick draws one of the containers in a state; "" if there is none.
func (w *world) pick(state string) string {
	var fit []string
	for _, id := range w.ids {
		if w.state[id] == state {
			fit = append(fit, id)
		}
	}
	if len(fit) == 0 {
		return ""
	}
	return rapid.SampledFrom(fit).Draw(w.rt, "container")
}
