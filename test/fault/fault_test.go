package fault_test

import (
	"flag"
	"testing"
	"time"
)

// What `make faults` and `make soak` ask for.
var (
	full    = flag.Bool("full", false, "every fault as often as the results page says")
	results = flag.String("results", "", "write the results page to this `file`")
)

// fault is one thing that goes wrong, and how it is done.
type fault struct {
	name        string
	short, full int           // how often; short may be 0
	limit       time.Duration // until whole, at most
	// prepare is done once before the floods begin.
	prepare func(*ground)
	// do is done each time; what is whole again, and from when on, is taken
	// from its end.
	do func(*ground, int)
	// heal gives back, outside the measured time, what the fault took that is
	// not the agent's.
	heal func(*ground)
	// whole says why all is not well yet; nil if as it was before.
	whole func(*ground) error
	// finish is done once after the floods have ended.
	finish func(*ground)
	// from floods, as one that no policy names; wan2 if empty.
	from string
	// reached says why an allowed client does not get through; nil if wan does not.
	reached func(*ground) error
}

// TestFaults does every fault on its ground:
//
//	go test -run 'TestFaults/kills' ./test/fault/
func TestFaults(t *testing.T) {
	page := newPage(t)
	for _, part := range []struct {
		name   string
		ground func(*testing.T) *ground
		faults []fault
	}{
		{"kills", dockerGround, killFaults()},
		{"rules", dockerGround, ruleFaults()},
		{"tools", dockerGround, toolFaults()},
		{"engine", standInGround, engineFaults()},
		{"state", stateGround, stateFaults()},
		{"flip", liveGround, flipFaults()},
	} {
		t.Run(part.name, func(t *testing.T) {
			g := part.ground(t)
			for _, f := range part.faults {
				if f.times() == 0 {
					continue // takes long: only when all are asked for
				}
				t.Run(f.name, func(t *testing.T) { page.add(g.suffer(t, f)) })
			}
		})
	}
	page.write(t)
}

func (f fault) times() int {
	if *full {
		return f.full
	}
	return f.short
}
