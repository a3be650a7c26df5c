package docker

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Reads at a time. Inspecting a container may block while it starts, which
// costs the engine nothing, so that a burst of starts must not fill the slots.
const (
	networkReads   = 8
	containerReads = 128
	bulkReads      = 8
)

// key is something that can be read.
type key struct {
	network bool
	id      string
}

// trigger is why something is read.
type trigger struct {
	cause string
	at    time.Time
}

// reader reads networks and containers one at a time each, and again where it
// is asked to while a read is under way: such a read may have begun too early.
type reader struct {
	ctx   context.Context
	read  func(context.Context, key, trigger) error
	slots map[bool]chan struct{}

	mu      sync.Mutex
	closed  bool
	flights map[key]*flight
	wg      sync.WaitGroup
}

// flight is a read under way.
type flight struct {
	again bool
	why   trigger
	poke  chan struct{} // ends a wait before the next try
}

func newReader(ctx context.Context, read func(context.Context, key, trigger) error) *reader {
	return &reader{
		ctx: ctx, read: read, flights: map[key]*flight{},
		slots: map[bool]chan struct{}{true: make(chan struct{}, networkReads), false: make(chan struct{}, containerReads)},
	}
}

// ask has k read by a read that begins after now. It does not block.
func (r *reader) ask(k key, why trigger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	if f, ok := r.flights[k]; ok {
		f.again, f.why = true, why
		select {
		case f.poke <- struct{}{}:
		default:
		}
		return
	}
	f := &flight{why: why, poke: make(chan struct{}, 1)}
	r.flights[k] = f
	r.wg.Go(func() { r.fly(k, f) })
}

// later asks after a while.
func (r *reader) later(k key, why trigger, wait time.Duration) {
	r.spawn(func() {
		if r.sleep(wait, nil) {
			r.ask(k, why)
		}
	})
}

// spawn runs f in a goroutine that close waits for.
func (r *reader) spawn(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed {
		r.wg.Go(f)
	}
}

// close waits until nothing is read any more. The reader's context must have
// ended.
func (r *reader) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.wg.Wait()
}

func (r *reader) fly(k key, f *flight) {
	r.mu.Lock()
	why := f.why
	r.mu.Unlock()
	for failures := 0; r.ctx.Err() == nil; {
		err := r.once(k, why)
		if err != nil && failures < 4 {
			failures++
			r.sleep(50*time.Millisecond<<(2*failures-2), f.poke)
		}
		r.mu.Lock()
		if !f.again && (err == nil || failures == 4) {
			delete(r.flights, k)
			r.mu.Unlock()
			return
		}
		if f.again {
			failures = 0
		}
		f.again, why = false, f.why
		r.mu.Unlock()
	}
}

// once reads k now, waiting for a slot.
func (r *reader) once(k key, why trigger) error {
	slots := r.slots[k.network]
	select {
	case slots <- struct{}{}:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	defer func() { <-slots }()
	err := r.read(r.ctx, k, why)
	if errors.Is(err, errNotFound) {
		return nil
	}
	return err
}

// sleep waits, and reports whether the reader goes on.
func (r *reader) sleep(d time.Duration, poke <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-poke:
	case <-r.ctx.Done():
	}
	return r.ctx.Err() == nil
}

// all reads every key, some at a time, and returns when each was tried once.
func (r *reader) all(keys []key, why trigger) {
	work := make(chan key)
	var wg sync.WaitGroup
	for range min(bulkReads, len(keys)) {
		wg.Go(func() {
			for k := range work {
				if r.once(k, why) != nil {
					r.ask(k, why)
				}
			}
		})
	}
	for _, k := range keys {
		work <- k
	}
	close(work)
	wg.Wait()
}
