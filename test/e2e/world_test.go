package e2e_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"dockwall/test/lab"
)

// onEngines runs the test on each of the engines that are there, on several at a time:
// such a test mostly waits.
func onEngines(t *testing.T, engines []string, test func(t *testing.T, engine string)) {
	eachEngine(t, engines, func(t *testing.T, engine string) {
		t.Parallel()
		test(t, engine)
	})
}

// oneByOne is onEngines for a test in which much depends on how soon the agent acts.
func oneByOne(t *testing.T, engines []string, test func(t *testing.T, engine string)) {
	eachEngine(t, engines, test)
}

func eachEngine(t *testing.T, engines []string, test func(t *testing.T, engine string)) {
	there := lab.Engines(t)
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			if !slices.Contains(there, engine) {
				t.Skipf("Docker engine %s is not in .cache/engines; `make engines` fetches it", engine)
			}
			test(t, engine)
		})
	}
}

// through reports floods that got through, or tried too little to prove anything.
func through(t *testing.T, want int, floods ...*lab.Flood) {
	t.Helper()
	for i, f := range floods {
		r := f.Stop()
		t.Logf("flood %d: %s, %v", i+1, tally(r), r.Classes)
		if r.OK > want {
			t.Errorf("flood %d: %d got through, want %d: %v", i+1, r.OK, want, r.First)
		}
		if r.Tried < 50 {
			t.Errorf("flood %d: only %d were tried", i+1, r.Tried)
		}
	}
}

// How long any of these tests may take. A flood that is refused goes round as
// fast as the processors can, and is given few workers: what is tested is not
// how the agent does without a processor.
var (
	floodFor   = lab.FloodOptions{For: 2 * time.Minute, Count: 500000, Workers: 24}
	gentleOnes = lab.FloodOptions{For: 2 * time.Minute, Count: 500000, Workers: 3}
)

// must waits until the question is answered by the server.
func must(t testing.TB, l *lab.Lab, ask lab.Ask, server string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		r := ask.From.Dial(ask.Proto, ask.Addr, ask.Port)
		if r.Server() == server {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: want %s, got %s", ask, server, r)
		}
	}
}

// six makes a network of both families; n tells them apart.
func six(l *lab.Lab, n int) string {
	name := fmt.Sprintf("net%d", n)
	l.Docker("network", "create", "--ipv6", "--subnet", fmt.Sprintf("172.30.%d.0/24", n),
		"--subnet", fmt.Sprintf("2001:db8:%d::/64", 100+n), name)
	return name
}
