package cutter

import (
	"context"
	"net/netip"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
	"dockwall/rules"
)

// calm is the least time between two asked for cuts. Each begins with a look at
// every connection, so where that takes long the time between is longer.
const calm = 100 * time.Millisecond

// Result is what a cut did.
type Result struct {
	// Forwarded are connections to, from and between containers; Received are
	// those to the host itself, docker-proxy's among them. One that came back
	// counts again.
	Forwarded, Received int
	// Sockets are the host's TCP sockets that were destroyed.
	Sockets int
	// Undecided are connections that were left alone because the verdict could
	// not be told, as of the last look at everything.
	Undecided int
	// Rejudged are connections of which the ruleset allows some interfaces and denies
	// others: the kernel judges their next packet. Seeded are those that ended because
	// a packet with a false source may have made them.
	Rejudged, Seeded int
	// Looked is when everything had been judged and ended for the first time,
	// Took when the cut was over, both since its beginning.
	Looked, Took time.Duration
}

// Cut reports whether anything was ended.
func (r Result) Cut() bool { return r.Forwarded+r.Received+r.Sockets+r.Seeded > 0 }

// Cutter ends connections.
type Cutter struct {
	log hclog.Logger
	// asks holds the newest ask that is not begun.
	asks chan ask
	gate *gate
}

// ask is a cut to do. seeds are the sources that no rule kept from outside until this
// ruleset. reopen: only what was cut is judged, since the ruleset cannot have become
// tighter.
type ask struct {
	rs     rules.Ruleset
	s      netinfo.Snapshot
	seeds  claimed
	reopen bool
}

// New returns a Cutter. Run has it do what Ask asks for.
func New(log hclog.Logger) *Cutter { return &Cutter{log: log, asks: make(chan ask, 1), gate: &gate{}} }

// With has the cutter close cut connections by the barrier. It is called before
// Run and Cut. Without a barrier, a packet with a forged RST or a late datagram of
// the server may bring a connection back.
func (c *Cutter) With(b Barrier) *Cutter {
	c.gate.barrier = b
	return c
}

// Ask has Run end what the ruleset, which is in the kernel already, does not
// allow. It does not wait; of several asks the last one counts.
func (c *Cutter) Ask(rs rules.Ruleset, s netinfo.Snapshot) { c.ask(ask{rs: rs, s: s}) }

// AskFirst is Ask for the first ruleset after a time without one. It also ends
// connections that a packet with a false source may have made until then.
func (c *Cutter) AskFirst(rs rules.Ruleset, s netinfo.Snapshot) {
	c.ask(ask{rs: rs, s: s, seeds: claimed{all: true}})
}

// AskClaimed is Ask for the first ruleset that refuses packets from these prefixes
// where they cannot come from: a network was made, or a route behind a container. It
// also ends connections that a packet with such a source may have made before.
func (c *Cutter) AskClaimed(rs rules.Ruleset, s netinfo.Snapshot, ps []netip.Prefix) {
	c.ask(ask{rs: rs, s: s, seeds: claimed{prefixes: ps}})
}

// AskReopen is for a ruleset that allows at least what the last one did:
// connections that were cut and are allowed again may come back.
func (c *Cutter) AskReopen(rs rules.Ruleset, s netinfo.Snapshot) {
	c.ask(ask{rs: rs, s: s, reopen: true})
}

// Closed reports whether something is closed that a later ruleset may allow.
func (c *Cutter) Closed() bool { return c.gate.some.Load() }

// ask replaces an older ask, and keeps what that one had to do besides.
func (c *Cutter) ask(a ask) {
	for {
		select {
		case c.asks <- a:
			return
		default:
		}
		select {
		case old := <-c.asks:
			a.seeds = a.seeds.with(old.seeds)
			a.reopen = a.reopen && old.reopen
		default:
		}
	}
}

// Run does what is asked for until ctx ends.
func (c *Cutter) Run(ctx context.Context) {
	var left trail
	var seeds claimed
	for {
		var a ask
		select {
		case <-ctx.Done():
			return
		case a = <-c.asks:
		}
		// Until the engine's containers are known nothing is cut.
		a.seeds = a.seeds.with(seeds)
		seeds = claimed{}
		if !a.s.Engine.Known {
			seeds = a.seeds
		}
		var looked time.Duration
		left, looked = c.serve(ctx, a, left)
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(calm, 2*looked)):
		}
	}
}

// serve does one ask. It returns what the next has to go on looking for, and how
// long it took to look at everything.
func (c *Cutter) serve(ctx context.Context, a ask, left trail) (trail, time.Duration) {
	r, left, err := c.cut(ctx, a, left, c.asks)
	if err != nil && ctx.Err() == nil {
		c.log.Error("connections that are no longer allowed may go on", "error", err)
	}
	if r.Rejudged > 0 && !r.Cut() {
		c.log.Debug("the kernel judges the next packet of connections whose interface matters", "connections", r.Rejudged)
	}
	if r.Cut() {
		c.log.Info("connections cut", "forwarded", r.Forwarded, "received", r.Received, "sockets", r.Sockets,
			"rejudged", r.Rejudged, "seeded", r.Seeded, "undecided", r.Undecided, "within", r.Looked.Round(100*time.Microsecond))
	}
	return left, r.Looked
}

// Finish does what was asked for, if anything was, and looks again as Cut does. It
// is for a process that does not call Run.
func (c *Cutter) Finish(ctx context.Context) (Result, error) {
	select {
	case a := <-c.asks:
		r, _, err := c.cut(ctx, a, trail{}, nil)
		return r, err
	default:
		return Result{}, nil
	}
}

// Cut ends the connections that the ruleset, which is in the kernel already,
// does not allow, and looks again for some two seconds where one may come back.
// Where there is nothing to end it returns after a second look. The error is
// the first that ended it, or ctx's.
func (c *Cutter) Cut(ctx context.Context, rs rules.Ruleset, s netinfo.Snapshot) (Result, error) {
	r, _, err := c.cut(ctx, ask{rs: rs, s: s}, trail{}, nil)
	return r, err
}
