package watch

import (
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"dockwall/agent/audit"
	"dockwall/agent/config"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

const (
	// firstWait is how long after the start the whole host is judged first: the firewall
	// comes before.
	firstWait = 2 * time.Second
	// spacing is the least time between two judgements of the whole host.
	spacing = 10 * time.Second
	// share is that a judgement of the whole host takes at most one part in so many of the
	// time.
	share = 20
	// workers is how many containers are read at a time.
	workers = 4
	// most is how many containers, and how many processes of docker exec, wait to be
	// judged. If there are more, the whole host is judged instead.
	most = 256
	// again is how long after a container could not be read it is tried again.
	again = 2 * time.Second
)

// Options are what a Watch is made of.
type Options struct {
	Log hclog.Logger
	// Docker is where the engine listens.
	Docker string
	// Path is the file that keeps which containers were released; if empty, that is
	// forgotten when the process ends.
	Path string
	// Gather reads the whole inventory; audit.Gather if nil.
	Gather func(context.Context, audit.Options) inventory.Inventory
	// Dial connects to the engine; to that at Docker if nil.
	Dial func(context.Context) (Engine, error)
	// Process adds what the kernel says of a container's processes; audit.Process of this
	// host if nil.
	Process func(*inventory.Container)
	// Changed is called when the failures of a container may be others and the policy
	// depends on them; nil if no caller wants to know.
	Changed func(cause string)
}

// Watch is an audit that goes on.
type Watch struct {
	o    Options
	wake chan struct{}

	mu     sync.Mutex
	record *record
	doc    *config.Document
	// at is when the whole host was judged last, took how long that took, and due when it
	// is to be judged next.
	at   time.Time
	took time.Duration
	due  time.Time
	// base is what was read then beside containers.
	base inventory.Inventory
	// pending are containers to be judged, asked processes of docker exec to be looked at,
	// with their container. late are containers that could not be read.
	pending map[string]bool
	asked   map[string]string
	late    map[string]bool
	// ended are processes of docker exec that ended since asked were looked at.
	ended map[string]bool
	// privileged are the processes of docker exec --privileged, by their container.
	privileged map[string]map[string]bool
	// released are the containers that the operator let go from quarantine, by their ID.
	released map[string]bool
	// scans are the containers that were refused at many targets, by their ID.
	scans  map[string]scan
	engine Engine // nil while there is no connection
}

// New returns a watch that Run starts.
func New(o Options) *Watch {
	w := &Watch{o: o, wake: make(chan struct{}, 1), record: newRecord(), due: time.Now().Add(firstWait),
		pending: map[string]bool{}, asked: map[string]string{}, late: map[string]bool{}, ended: map[string]bool{}, released: map[string]bool{}, privileged: map[string]map[string]bool{}, scans: map[string]scan{}}
	if w.o.Gather == nil {
		w.o.Gather = audit.Gather
	}
	if w.o.Dial == nil {
		w.o.Dial = w.dial
	}
	if w.o.Process == nil {
		w.o.Process = func(c *inventory.Container) { audit.Process("/", c) }
	}
	w.load()
	return w
}

// Use has the watch judge by this document from now on.
func (w *Watch) Use(doc *config.Document) {
	w.mu.Lock()
	first := w.doc == nil
	w.doc = doc
	if first && len(doc.Policy.Quarantines) > 0 {
		w.due = time.Now() // containers are held until they are judged
	}
	w.mu.Unlock()
	if !first {
		w.askWhole()
	}
}

// Summary is how the audit stands; nil before anything was judged.
func (w *Watch) Summary() *audit.Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.record.standing) == 0 {
		return nil
	}
	s := w.record.summary()
	s.At = w.at
	return &s
}

// Run judges until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { w.sessions(ctx) })
	wg.Go(func() { w.look(ctx) })
	w.work(ctx)
	wg.Wait()
}

// poke has work look at what is to be done.
func (w *Watch) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// askWhole has the whole host judged as soon as that may be.
func (w *Watch) askWhole() {
	w.mu.Lock()
	w.sooner(time.Now())
	w.mu.Unlock()
	w.poke()
}

// sooner has the whole host judged at the time, or as soon after it as that may be. w.mu
// is held.
func (w *Watch) sooner(at time.Time) {
	if !w.at.IsZero() {
		if least := w.at.Add(max(spacing, share*w.took)); at.Before(least) {
			at = least
		}
	}
	if at.Before(w.due) {
		w.due = at
	}
}

// work judges what is to be judged, one thing after the other.
func (w *Watch) work(ctx context.Context) {
	for ctx.Err() == nil {
		w.mu.Lock()
		wait, some := time.Until(w.due), len(w.pending)+len(w.asked) > 0 && w.engine != nil
		w.mu.Unlock()
		switch {
		case some:
			w.some(ctx)
			continue
		case wait <= 0:
			w.whole(ctx)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// settings are what the document says to the audit, and from which severity a failure
// counts. w.mu is held.
func (w *Watch) settings() (rules.Settings, finding.Severity) {
	return audit.Settings(w.doc, time.Now().Format(time.DateOnly), ""), finding.Severity(config.AuditOf(w.doc).FailOn)
}

// whole judges the whole host.
func (w *Watch) whole(ctx context.Context) {
	w.mu.Lock()
	begun, start := w.record.tick(), time.Now()
	w.at, w.due = start, start.Add(config.AuditOf(w.doc).Every)
	w.mu.Unlock()
	in := w.o.Gather(ctx, audit.Options{Docker: w.o.Docker, Now: start})
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	s, failOn := w.settings()
	for i := range in.Containers.Value {
		w.witnessed(&in.Containers.Value[i])
	}
	w.mu.Unlock()
	found := rules.Failures(&in, s).Findings
	var names map[string]string
	if in.Containers.Read {
		names = map[string]string{}
		for i := range in.Containers.Value {
			names[in.Containers.Value[i].ID] = in.Containers.Value[i].Name
		}
	}
	w.mu.Lock()
	w.base, w.at, w.took = audit.Base(in), time.Now(), time.Since(start)
	// It may have been asked for again since it began.
	w.due = later(w.due, w.at.Add(max(spacing, share*w.took)))
	w.tell(w.record.whole(begun, names, found), failOn)
	w.mu.Unlock()
	// An inventory is large, and the next one is far off.
	debug.FreeOSMemory()
	w.notify("the host was judged")
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// notify says that findings may be others, if the policy depends on them.
func (w *Watch) notify(cause string) {
	w.mu.Lock()
	asked := w.doc != nil && len(w.doc.Policy.Quarantines) > 0
	w.mu.Unlock()
	if asked && w.o.Changed != nil {
		w.o.Changed(cause)
	}
}

// some judges the containers that wait, after having looked at the processes that do.
func (w *Watch) some(ctx context.Context) {
	w.mu.Lock()
	engine, asked := w.engine, w.asked
	w.asked = map[string]string{}
	w.mu.Unlock()
	if engine == nil {
		return
	}
	for exec, id := range asked {
		privileged, err := engine.Privileged(ctx, exec)
		if err != nil {
			w.o.Log.Debug("a process of docker exec could not be looked at", "error", err)
		}
		if privileged || err != nil {
			w.started(id, exec, privileged)
		}
	}
	w.mu.Lock()
	ids := slices.Sorted(maps.Keys(w.pending))
	clear(w.pending)
	clear(w.ended)
	w.mu.Unlock()
	var g errgroup.Group
	g.SetLimit(workers)
	for _, id := range ids {
		g.Go(func() error {
			w.one(ctx, engine, id)
			return nil
		})
	}
	_ = g.Wait()
}

// started takes that a process of docker exec runs in the container.
func (w *Watch) started(id, exec string, privileged bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if privileged {
		if w.privileged[id] == nil {
			w.privileged[id] = map[string]bool{}
		}
		if len(w.privileged[id]) < most {
			w.privileged[id][exec] = true
		}
		if w.ended[exec] {
			// It stands for a moment, so that it is told of.
			time.AfterFunc(again, func() { w.happen(docker.Happening{Action: "exec_die", ID: id, Exec: exec}) })
		}
	}
	w.pending[id] = true
}

// one judges a container.
func (w *Watch) one(ctx context.Context, engine Engine, id string) {
	w.mu.Lock()
	begun := w.record.tick()
	w.mu.Unlock()
	c, there, err := engine.Container(ctx, id)
	switch {
	case err != nil:
		w.o.Log.Debug("a container could not be judged; it is tried again", "error", err)
		w.tryLater(ctx, id)
		return
	case !there:
		w.removed(id)
		return
	}
	w.o.Process(&c)
	in := w.inventory(ctx, engine, &c)
	w.mu.Lock()
	s, failOn := w.settings()
	w.mu.Unlock()
	s.Container = c.ID
	found := rules.Failures(&in, s).Findings
	w.mu.Lock()
	_, before := w.record.failed(c.ID)
	changes := w.record.one(begun, c.ID, c.Name, found)
	w.tell(changes, failOn)
	w.mu.Unlock()
	if before && len(changes) == 0 {
		return
	}
	w.notify("container " + c.Name + " was judged")
}

// inventory is what the container is judged by: itself, those whose namespaces it shares,
// and its image.
func (w *Watch) inventory(ctx context.Context, engine Engine, c *inventory.Container) inventory.Inventory {
	w.mu.Lock()
	in := w.base
	w.witnessed(c)
	w.mu.Unlock()
	in.Now = time.Now().Unix()
	all := []inventory.Container{*c}
	for _, other := range shared(c) {
		if o, there, err := engine.Container(ctx, other); there && err == nil {
			all = append(all, o)
		}
	}
	in.Containers = inventory.Known(all)
	if in.Images.Read && !slices.ContainsFunc(in.Images.Value, func(i inventory.Image) bool { return i.ID == c.ImageID }) {
		if i, err := engine.Image(ctx, c.ImageID); err == nil && i.ID != "" {
			in.Images.Value = append(slices.Clip(in.Images.Value), i)
		}
	}
	return in
}

// tryLater has the container judged again in a moment.
func (w *Watch) tryLater(ctx context.Context, id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.late[id] || len(w.late) >= most {
		w.sooner(time.Now())
		return
	}
	w.late[id] = true
	time.AfterFunc(again, func() {
		w.mu.Lock()
		delete(w.late, id)
		if ctx.Err() == nil {
			w.pending[id] = true
		}
		w.mu.Unlock()
		w.poke()
	})
}

// removed takes that there is no such container any more.
func (w *Watch) removed(id string) {
	w.mu.Lock()
	_, failOn := w.settings()
	delete(w.pending, id)
	delete(w.privileged, id)
	delete(w.scans, id)
	w.tell(w.record.remove(id), failOn)
	if w.released[id] {
		delete(w.released, id)
		if err := w.save(); err != nil {
			w.o.Log.Warn("it could not be written which containers are released", "error", err)
		}
	}
	w.mu.Unlock()
}
