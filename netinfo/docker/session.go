package docker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"dockwall/netinfo"
)

const (
	firstWait = 100 * time.Millisecond
	lastWait  = 5 * time.Second
	// settle is how long the first reading of containers may take before the
	// facts count as known without the rest: one that is starting blocks.
	settle = 3 * time.Second
	// soon is when the first resync comes: an engine confirms a subscription
	// a little before it is in force.
	soon = 2 * time.Second
	// fullResync is at how many resyncs all containers are listed once, though the
	// engine has as many as are known. On a host with many a list is most of what a
	// resync costs, the engine's part above all.
	fullResync = 10
	// networkTurns is in how many resyncs all networks are read, where there are
	// more than fewNetworks.
	networkTurns = 8
	fewNetworks  = 8
)

// sessions connects again and again until ctx ends.
func (s *Source) sessions(ctx context.Context, notify func(string)) {
	wait := firstWait
	for ctx.Err() == nil {
		connected, err := s.session(ctx, notify)
		if ctx.Err() != nil {
			return
		}
		if connected {
			wait = firstWait
			s.log.Warn("the engine is away", "error", err)
		}
		why := trigger{"engine away", time.Now()}
		s.change(why, notify, func(b *book) todo { b.away(err.Error()); return todo{} })
		pause := time.NewTimer(wait/2 + rand.N(wait/2))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
		wait = min(2*wait, lastWait)
	}
}

// session follows the engine until that fails. It reports whether the facts were
// ever fresh during it.
func (s *Source) session(ctx context.Context, notify func(string)) (connected bool, err error) {
	eng, err := s.dial(s.host, s.limit)
	if err != nil {
		return false, err
	}
	defer eng.Close()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	if err := s.call(ctx, eng.Ping); err != nil {
		return false, err
	}
	// Events first, then everything: what changes in between is told by both.
	evs, failed, err := eng.Events(ctx)
	if err != nil {
		return false, err
	}
	r := newReader(ctx, s.read(eng, notify))
	s.use(r)
	defer func() {
		s.use(nil)
		fail(nil)
		r.close()
	}()
	r.spawn(func() { fail(s.feed(ctx, eng, evs, failed, notify)) })
	return s.stay(ctx, eng, r, notify)
}

func (s *Source) use(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reader = r
}

// call gives one call its time.
func (s *Source) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.limit)
	defer cancel()
	return f(ctx)
}

// feed takes events until the stream ends, and returns why it did.
func (s *Source) feed(ctx context.Context, eng engine, evs <-chan event, failed <-chan error, notify func(string)) error {
	for {
		select {
		case e := <-evs:
			why := trigger{e.kind + " " + e.action + " " + e.attrs["name"], e.at}
			var again bool
			s.change(why, notify, func(b *book) todo {
				t := b.happen(e)
				again = t.engine
				return t
			})
			if again {
				if _, err := s.readEngine(ctx, eng, notify); err != nil {
					return err
				}
			}
		case err := <-failed:
			return err
		}
	}
}

// stay reads everything, and again at every resync, until something fails.
func (s *Source) stay(ctx context.Context, eng engine, r *reader, notify func(string)) (connected bool, err error) {
	if _, err := s.readEngine(ctx, eng, notify); err != nil {
		return false, cause(ctx, err)
	}
	settled, err := s.readAll(ctx, eng, r, notify)
	if err != nil {
		return false, cause(ctx, err)
	}
	patience := time.NewTimer(settle)
	defer patience.Stop()
	select {
	case <-settled:
	case <-patience.C:
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	s.change(trigger{"engine connected", time.Now()}, notify, func(b *book) todo {
		e := b.engine
		e.Connected, e.Known, e.Error = true, true, ""
		b.setEngine(e)
		return todo{}
	})
	return true, s.repeat(ctx, eng, r, notify)
}

// repeat looks again from time to time, until something fails.
func (s *Source) repeat(ctx context.Context, eng engine, r *reader, notify func(string)) error {
	next := time.NewTimer(min(s.early, s.resync))
	defer next.Stop()
	ping := time.NewTicker(s.ping)
	defer ping.Stop()
	since := fullResync // looks since all containers were listed
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ping.C:
			if err := s.call(ctx, eng.Ping); err != nil {
				return cause(ctx, err)
			}
		case <-s.relist:
			if _, err := s.readAll(ctx, eng, r, notify); err != nil {
				return cause(ctx, err)
			}
			notify("networks were listed")
		case <-next.C:
			turn, agrees := since, false
			n, err := s.readEngine(ctx, eng, notify)
			if since++; err == nil && since < fullResync {
				agrees, err = s.lookAgain(ctx, eng, r, notify, n, turn)
			}
			if err == nil && !agrees {
				since = 0
				_, err = s.readAll(ctx, eng, r, notify)
			}
			if err != nil {
				return cause(ctx, err)
			}
			next.Reset(s.resync)
		}
	}
}

// cause prefers why the session ended to how that showed.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(c, context.Canceled) {
		return c
	}
	return err
}

// lookAgain reads the networks whose turn it is, and reports whether what is known of
// the containers agrees with these and with how many there are.
func (s *Source) lookAgain(ctx context.Context, eng engine, r *reader, notify func(string), n census, turn int) (bool, error) {
	if err := s.readNetworks(ctx, eng, r, notify, turn); err != nil {
		return false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.agrees(n), nil
}

// readEngine reads the engine's own facts, and how many containers it has.
func (s *Source) readEngine(ctx context.Context, eng engine, notify func(string)) (census, error) {
	var got netinfo.Engine
	var n census
	err := s.call(ctx, func(ctx context.Context) (err error) {
		got, n, err = eng.Engine(ctx)
		return err
	})
	if err != nil {
		return census{}, fmt.Errorf("reading the engine's version: %w", err)
	}
	s.change(trigger{"engine settings", time.Now()}, notify, func(b *book) todo {
		e := b.engine
		e.Version, e.FirewallBackend = got.Version, got.FirewallBackend
		b.setEngine(e)
		return todo{}
	})
	return n, nil
}

// list lists the networks.
func (s *Source) list(ctx context.Context, eng engine) (nets []view, err error) {
	err = s.call(ctx, func(ctx context.Context) error {
		v, ps, err := eng.Networks(ctx)
		s.complain(ps)
		nets = v
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing networks: %w", err)
	}
	return nets, nil
}

// readNetworks lists the networks, and reads those whose turn it is.
func (s *Source) readNetworks(ctx context.Context, eng engine, r *reader, notify func(string), turn int) error {
	begun, why := s.begin(), trigger{"resync", time.Now()}
	nets, err := s.list(ctx, eng)
	if err != nil {
		return err
	}
	var t todo
	s.change(why, notify, func(b *book) todo {
		b.list = why.at
		t = b.networksListed(nets, begun)
		t.nets = b.turn(t.nets, turn)
		return todo{}
	})
	r.all(t.keys(true), why)
	return nil
}

// readAll lists everything, reads every network, and then has the containers
// read that are not known well enough. The channel is closed when they are.
func (s *Source) readAll(ctx context.Context, eng engine, r *reader, notify func(string)) (<-chan struct{}, error) {
	begun, why := s.begin(), trigger{"resync", time.Now()}
	nets, err := s.list(ctx, eng)
	if err != nil {
		return nil, err
	}
	var conts []listing
	err = s.call(ctx, func(ctx context.Context) error {
		l, ps, err := eng.Containers(ctx)
		s.complain(ps)
		conts = l
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing containers: %w", err)
	}
	var t todo
	s.change(why, notify, func(b *book) todo {
		b.list = why.at
		t = b.listed(conts, nets, begun)
		return todo{unwatch: t.unwatch}
	})
	r.all(t.keys(true), why)
	settled := make(chan struct{})
	r.spawn(func() {
		defer close(settled)
		r.all(t.keys(false), why)
	})
	return settled, nil
}
