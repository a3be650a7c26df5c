package fault_test

import (
	"fmt"
	"time"

	"dockwall/netinfo/docker/dockertest"
)

// known is nil when the agent knows as many containers as run, and what is in
// the kernel is as it should be.
func (g *ground) known(running int) error {
	if st := g.status(); !st.Docker.Connected || st.Containers != running {
		return fmt.Errorf("the agent knows %d containers (connected: %v), and %d run", st.Containers, st.Docker.Connected, running)
	}
	if running > 1 {
		return g.asTheFileSays()
	}
	return g.whole()
}

func engineFaults() []fault {
	one := func(g *ground) error { return g.known(1) }
	away := func(name string, limit time.Duration, do, undo func(*ground)) fault {
		return fault{name: name, short: 1, full: 10, limit: limit, whole: one, do: func(g *ground, _ int) {
			do(g)
			g.waitReason("docker_away")
			if err := g.reached(); err != nil {
				g.t.Errorf("while Docker is away: %v", err)
			}
			undo(g)
		}}
	}
	listen := func(g *ground) { g.engine.Interpose(nil) }
	return []fault{
		away("Docker's socket hangs", 10*time.Second, func(g *ground) {
			g.engine.Interpose(dockertest.Hang)
			g.engine.CutStreams()
		}, listen),
		away("Docker's socket answers garbage", 10*time.Second, func(g *ground) {
			g.engine.Interpose(dockertest.Garbage("", `{"Containers": [7, {]`))
			g.engine.CutStreams()
		}, listen),
		away("Docker's socket is gone", 10*time.Second, func(g *ground) { g.engine.Down() }, func(g *ground) {
			if err := g.engine.Up(); err != nil {
				g.t.Fatal(err)
			}
		}),
		{name: "Docker's event stream is cut in the midst of a message", short: 2, full: 20, limit: 10 * time.Second, whole: one,
			do: func(g *ground, _ int) { g.engine.CutStreams() }},
		{name: "garbage among Docker's events", short: 2, full: 20, limit: 10 * time.Second, whole: one,
			do: func(g *ground, _ int) { g.engine.Inject("{\"Type\": 7}\x00}}\n") }},
		{name: "Docker drops the events of 20 starts; they are found by the next full read", short: 0, full: 3, limit: 40 * time.Second,
			do: (*ground).lose, whole: func(g *ground) error { return g.known(1 + len(g.guests)) }, heal: (*ground).sendAway},
		{name: "Docker floods 10,000 events", short: 1, full: 10, limit: 10 * time.Second, do: (*ground).floodEvents,
			whole: func(g *ground) error { return g.known(1 + len(g.guests)) }, heal: (*ground).sendAway},
		{name: "the clock behind Docker's events jumps an hour, ahead and back", short: 2, full: 20, limit: 5 * time.Second,
			do: func(g *ground, i int) {
				g.engine.SetClock(time.Duration(1-2*(i%2)) * time.Hour)
				g.invite(3)
			},
			whole: func(g *ground) error { return g.known(1 + len(g.guests)) }, heal: (*ground).sendAway,
			finish: func(g *ground) { g.engine.SetClock(0) }},
	}
}

// invite starts n more containers, which publish nothing.
func (g *ground) invite(n int) {
	for i := range n {
		id := g.engine.Create(dockertest.Container{Name: fmt.Sprintf("guest%d-%d", len(g.guests), i), Image: "guest", Networks: []string{"bridge"}})
		g.engine.Start(id)
		g.guests = append(g.guests, id)
	}
}

// lose starts containers of which no event tells.
func (g *ground) lose(int) {
	g.engine.DropEvents(true)
	g.invite(20)
	g.engine.DropEvents(false)
}

// floodEvents starts and ends a few containers until 10,000 events were told.
func (g *ground) floodEvents(int) {
	before := len(g.engine.History())
	g.invite(5)
	for i := 0; len(g.engine.History())-before < 10_000; i++ {
		id := g.guests[i%len(g.guests)]
		g.engine.Kill(id)
		g.engine.Start(id)
	}
}

// sendAway ends the guests.
func (g *ground) sendAway() {
	for _, id := range g.guests {
		g.engine.Kill(id)
		g.engine.Remove(id)
	}
	g.guests = nil
	if _, err := until(10*time.Second, func() error { return g.known(1) }); err != nil {
		g.t.Errorf("after the guests have gone: %v", err)
	}
}
