package watch

import (
	"context"
	"strings"
	"time"

	"dockwall/netinfo/docker"
	"dockwall/netinfo/inventory"
)

// Engine is a connection to the engine.
type Engine interface {
	Reader
	Follower
	// Privileged reports whether docker exec --privileged asked for the process.
	Privileged(ctx context.Context, exec string) (bool, error)
}

// Reader reads one thing at a time.
type Reader interface {
	Container(ctx context.Context, id string) (c inventory.Container, there bool, err error)
	Image(ctx context.Context, id string) (inventory.Image, error)
}

// Follower follows what happens to containers.
type Follower interface {
	// Follow calls subscribed once, then happen for each event, and returns why it ended.
	Follow(ctx context.Context, subscribed func(), happen func(docker.Happening)) error
	// List returns the IDs of all containers.
	List(context.Context) ([]string, error)
	Close() error
}

const (
	// answerTime is how long the engine may take for one answer.
	answerTime = 5 * time.Second
	firstPause = time.Second
	lastPause  = 30 * time.Second
)

func (w *Watch) dial(ctx context.Context) (Engine, error) {
	return docker.NewAuditor(ctx, w.o.Docker, answerTime)
}

// sessions connects to the engine again and again.
func (w *Watch) sessions(ctx context.Context) {
	pause := firstPause
	for ctx.Err() == nil {
		start := time.Now()
		err := w.session(ctx)
		if ctx.Err() != nil {
			return
		}
		w.o.Log.Debug("the connection to the engine has ended", "error", err)
		if time.Since(start) > lastPause {
			pause = firstPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, lastPause)
	}
}

// session follows the engine until that fails.
func (w *Watch) session(ctx context.Context) error {
	e, err := w.o.Dial(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	w.use(e)
	defer w.use(nil)
	return e.Follow(ctx, func() { w.catchUp(ctx, e) }, w.happen)
}

func (w *Watch) use(e Engine) {
	w.mu.Lock()
	w.engine = e
	w.mu.Unlock()
	w.poke()
}

// catchUp has what the events did not tell judged: containers that came while there was no
// connection, and, since the engine may run with other settings, the whole host.
func (w *Watch) catchUp(ctx context.Context, e Engine) {
	all, err := e.List(ctx)
	if err != nil {
		w.o.Log.Debug("the containers could not be listed", "error", err)
	}
	w.mu.Lock()
	known := w.record.containers()
	for _, id := range all {
		if !known[id] {
			w.pend(id)
		}
		delete(known, id)
	}
	if !w.at.IsZero() {
		w.sooner(time.Now())
	}
	w.mu.Unlock()
	if err == nil {
		for id := range known {
			w.removed(id)
		}
	}
	w.poke()
}

// pend has the container judged; if too many wait, the whole host. w.mu is held.
func (w *Watch) pend(id string) {
	if !w.pending[id] && len(w.pending) >= most {
		w.sooner(time.Now())
		return
	}
	w.pending[id] = true
}

// happen takes an event.
func (w *Watch) happen(h docker.Happening) {
	if h.ID == "" {
		return
	}
	if h.Action == "destroy" {
		w.removed(h.ID)
		return
	}
	w.mu.Lock()
	switch h.Action {
	case "exec_create":
		if h.Exec == "" || len(w.asked) >= most {
			w.pend(h.ID)
		} else {
			w.asked[h.Exec] = h.ID
		}
	case "exec_die":
		if len(w.ended) < most {
			w.ended[h.Exec] = true
		}
		if w.privileged[h.ID][h.Exec] {
			delete(w.privileged[h.ID], h.Exec)
			w.pend(h.ID)
		}
	case "die":
		delete(w.privileged, h.ID)
		w.pend(h.ID)
	default:
		w.pend(h.ID)
	}
	w.mu.Unlock()
	w.poke()
}

// shared are the containers whose namespaces the container uses, as it names them.
func shared(c *inventory.Container) (names []string) {
	for _, mode := range []string{c.NetworkMode, c.PIDMode, c.IPCMode} {
		if name, ok := strings.CutPrefix(mode, "container:"); ok {
			names = append(names, name)
		}
	}
	return names
}
