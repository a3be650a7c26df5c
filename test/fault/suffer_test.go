package fault_test

import (
	"cmp"
	"testing"
	"time"

	"dockwall/test/lab"
)

// floodFor bounds a flood by nothing but its end; the workers are few, for what
// is tested is not how the agent does without a processor.
var floodFor = lab.FloodOptions{For: time.Hour, Count: 50_000_000, Workers: 8}

// healTime is how long the allowed client may be kept out after the repair: an
// engine, too, has to find back.
const healTime = 20 * time.Second

// suffer does the fault as often as asked, under floods.
func (g *ground) suffer(t *testing.T, f fault) row {
	t.Helper()
	if f.prepare != nil {
		f.prepare(g)
	}
	if f.whole == nil {
		f.whole = (*ground).whole
	}
	if f.reached == nil {
		f.reached = (*ground).reached
	}
	r := row{name: f.name}
	floods := g.floods(cmp.Or(f.from, "wan2"))
	for i := range f.times() {
		f.do(g, i)
		took, err := until(f.limit, func() error { return f.whole(g) })
		if err != nil {
			t.Errorf("time %d: not whole after %v: %v", i+1, took, err)
			break
		}
		r.times++
		r.took = append(r.took, took)
		if f.heal != nil {
			f.heal(g)
		}
		if _, err := until(healTime, func() error { return f.reached(g) }); err != nil {
			t.Errorf("time %d: all is whole, but: %v", i+1, err)
			break
		}
		if err := g.refused(cmp.Or(f.from, "wan2")); err != nil {
			t.Errorf("time %d: all is whole, but: %v", i+1, err)
		}
	}
	r.count(t, floods)
	r.note = g.note
	g.note = ""
	if f.finish != nil {
		f.finish(g)
	}
	t.Log(r)
	if t.Failed() {
		t.Logf("agentd:\n%s", tail(g.agent.Log(), 30))
	}
	return r
}

// floods are from the client that no policy names, to the published port and
// past it to the container itself.
func (g *ground) floods(from string) []*lab.Flood {
	client := g.Client(from)
	var all []*lab.Flood
	for i, family := range []int{4, 6} {
		all = append(all, client.Flood("tcp", g.HostAddr("eth0", family), port, floodFor),
			client.Flood("tcp", g.places[i], 80, floodFor))
	}
	return all
}
