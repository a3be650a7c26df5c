package docker

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
)

// Facts is what the engine says. It is a value: it never changes.
type Facts struct {
	Engine     netinfo.Engine
	Networks   []netinfo.Network   // sorted as netinfo.Snapshot has them
	Containers []netinfo.Container // sorted as netinfo.Snapshot has them
	// Event is when that happened which changed the facts last, by the
	// engine's clock for an event and by ours for a process's death.
	Event time.Time
	// Listed is when the engine was asked last which networks there are.
	Listed time.Time
}

// Source keeps the facts about one engine.
type Source struct {
	host   string
	log    hclog.Logger
	dial   func(host string, limit time.Duration) (engine, error)
	resync time.Duration
	early  time.Duration // the first resync
	ping   time.Duration
	limit  time.Duration // for each call

	procs *processes // nil: cannot be watched; set before Run's goroutines

	mu     sync.Mutex
	book   *book
	seen   uint64 // the book's version that was notified last
	told   map[toldProblem]struct{}
	reader *reader // of the session; nil while the engine is away
	doubts map[string]int
	blind  sync.Once

	relist chan struct{} // requests a full list now
}

// toldProblem is a problem that was told.
type toldProblem struct{ object, text string }

// Option changes how a Source works.
type Option func(*Source)

// WithResync sets how often everything is read again though no event says so.
// The default is 30 s.
func WithResync(d time.Duration) Option { return func(s *Source) { s.resync = d } }

// WithTimeout sets how long the engine may take to answer one call. The default
// is 5 s.
func WithTimeout(d time.Duration) Option { return func(s *Source) { s.limit = d } }

// WithPing sets how often an engine that says nothing is asked whether it is
// still there. The default is 10 s.
func WithPing(d time.Duration) Option { return func(s *Source) { s.ping = d } }

// New makes a source for the engine at host, such as
// unix:///var/run/docker.sock or tcp://127.0.0.1:2375. It does not connect yet;
// a host that cannot be meant is an error.
func New(host string, log hclog.Logger, opts ...Option) (*Source, error) {
	if _, err := parseHost(host); err != nil {
		return nil, err
	}
	if log == nil {
		log = hclog.NewNullLogger()
	}
	s := &Source{
		host: host, log: log, dial: dial, book: newBook(),
		resync: 30 * time.Second, early: soon, ping: 10 * time.Second, limit: 5 * time.Second,
		told: map[toldProblem]struct{}{}, doubts: map[string]int{}, relist: make(chan struct{}, 1),
	}
	for _, o := range opts {
		o(s)
	}
	return s, nil
}

// Facts returns the facts as they are now.
func (s *Source) Facts() Facts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.facts()
}

// Relist has the engine asked now which networks and containers there are, and
// notifies when it has answered. It does not block; while the engine is away
// nothing is asked.
func (s *Source) Relist() {
	select {
	case s.relist <- struct{}{}:
	default:
	}
}

// Run keeps the facts fresh until ctx ends. It calls notify whenever Facts
// would return something new, from several goroutines, perhaps at once; cause
// says in a few words what happened. Run is to be called once.
func (s *Source) Run(ctx context.Context, notify func(cause string)) {
	var wg sync.WaitGroup
	procs, err := watchProcesses()
	if err != nil {
		s.log.Warn("cannot watch processes; containers that end are noticed by the engine's events only", "error", err)
	} else {
		s.mu.Lock()
		s.procs = procs
		s.mu.Unlock()
		wg.Go(func() { procs.run(func(p process) { s.ended(p, notify) }) })
	}
	s.sessions(ctx, notify)
	if procs != nil {
		procs.close()
	}
	wg.Wait()
}

func (s *Source) watching() *processes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs
}

// change lets f work on the book, then does what f says is to be done, and
// notifies if the facts have changed.
func (s *Source) change(why trigger, notify func(string), f func(*book) todo) {
	s.mu.Lock()
	t := f(s.book)
	changed := s.book.version != s.seen
	if changed {
		s.seen = s.book.version
		s.book.event = why.at
	}
	r := s.reader
	s.mu.Unlock()
	if changed {
		notify(why.cause)
	}
	s.follow(t, r, why, notify)
}

// follow reads what a change affects.
func (s *Source) follow(t todo, r *reader, why trigger, notify func(string)) {
	t.compact()
	procs := s.watching()
	for _, id := range t.unwatch {
		if procs != nil {
			procs.remove(id)
		}
	}
	for _, p := range t.watch {
		s.watch(p, r, why, notify)
	}
	if r == nil {
		return
	}
	for _, id := range t.nets {
		r.ask(key{network: true, id: id}, why)
	}
	for _, id := range t.conts {
		r.ask(key{id: id}, why)
	}
	for _, id := range t.later {
		r.later(key{network: true, id: id}, why, s.patience(id))
	}
}

// patience is how long to wait before a network is read again that gave one
// address to two containers: longer each time, for it may stay so.
func (s *Source) patience(id string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.doubts[id]++
	return min(20*time.Millisecond<<min(s.doubts[id], 10), s.resync)
}

// watch has a process watched. Where that cannot be, nothing is concluded: the
// engine is asked again if the process is gone, and believed otherwise.
func (s *Source) watch(p process, r *reader, why trigger, notify func(string)) {
	procs := s.watching()
	if procs == nil {
		return
	}
	err := procs.add(p)
	if err == nil {
		return
	}
	s.change(why, notify, func(b *book) todo { b.unwatchable(p); return todo{} })
	if errors.Is(err, errExited) {
		if r != nil {
			r.ask(key{id: p.container}, why)
		}
		return
	}
	s.blind.Do(func() {
		s.log.Warn("cannot watch a container's process; such containers' end is noticed by the engine's events only", "error", err)
	})
}

// ended takes the death of a process.
func (s *Source) ended(p process, notify func(string)) {
	why := trigger{"process of container " + short(p.container) + " ended", time.Now()}
	s.change(why, notify, func(b *book) todo { return b.died(p) })
}

// complain logs what could not be read, once per object.
func (s *Source) complain(ps []problem) {
	for _, p := range ps {
		k := toldProblem{p.object, p.err.Error()}
		s.mu.Lock()
		_, told := s.told[k]
		if len(s.told) > 10_000 {
			clear(s.told)
		}
		s.told[k] = struct{}{}
		s.mu.Unlock()
		if !told {
			s.log.Error("the engine says something that cannot be read; it is left out", "object", p.object, "error", p.err)
		}
	}
}

// read reads one network or container, and notes what it says.
func (s *Source) read(eng engine, notify func(string)) func(context.Context, key, trigger) error {
	return func(ctx context.Context, k key, why trigger) error {
		begun, at := s.begin(), time.Now()
		ctx, cancel := context.WithTimeout(ctx, s.limit)
		defer cancel()
		var f func(*book) todo
		var err error
		if k.network {
			f, err = s.readNetwork(ctx, eng, k.id, begun, at)
		} else {
			f, err = s.readContainer(ctx, eng, k.id, begun)
		}
		if f != nil {
			s.change(why, notify, f)
		}
		if why.cause == addrAsked && err == nil {
			notify(why.cause)
		}
		if err != nil && ctx.Err() == nil && !errors.Is(err, errNotFound) {
			s.log.Warn("reading from the engine", "id", short(k.id), "error", err)
		}
		return err
	}
}

func (s *Source) readNetwork(ctx context.Context, eng engine, id string, begun uint64, at time.Time) (func(*book) todo, error) {
	v, ps, err := eng.Network(ctx, id)
	s.complain(ps)
	if errors.Is(err, errNotFound) {
		return func(b *book) todo { b.networkMissing(id, begun); return todo{} }, err
	}
	if err != nil {
		return nil, err
	}
	return func(b *book) todo {
		t := b.seen(v, begun)
		if n := b.nets[id]; n != nil && n.read == begun {
			n.readAt = at
		}
		if len(t.later) == 0 {
			delete(s.doubts, id)
		}
		return t
	}, nil
}

func (s *Source) readContainer(ctx context.Context, eng engine, id string, begun uint64) (func(*book) todo, error) {
	c, ps, err := eng.Container(ctx, id)
	s.complain(ps)
	if errors.Is(err, errNotFound) {
		return func(b *book) todo { return b.missing(id, begun) }, err
	}
	if err != nil {
		return nil, err
	}
	return func(b *book) todo { return b.inspected(c, begun) }, nil
}

// begin gives the moment at which a read begins.
func (s *Source) begin() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.book.tick()
}

// keys turns what is to be read into keys.
func (t todo) keys(network bool) []key {
	ids := t.conts
	if network {
		ids = t.nets
	}
	out := make([]key, 0, len(ids))
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		out = append(out, key{network, id})
	}
	return out
}
