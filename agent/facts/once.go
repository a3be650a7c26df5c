package facts

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// progressEvery is how often a command is told how far the engine is.
const progressEvery = 100 * time.Millisecond

// Once reads the host's facts for a one-shot command: links, sockets, and
// Docker. A busy engine takes seconds to describe many containers: Once waits until for
// limit no more was described, and calls progress, if it is not nil, from time to time.
// Containers that Docker did not describe are Unread in the snapshot. Docker away
// is not an error: Engine.Connected is false then and Engine.Error says why.
func Once(ctx context.Context, s config.Settings, limit time.Duration, progress func(read, all int), log hclog.Logger) (netinfo.Snapshot, error) {
	c, err := oneShot(s, log)
	if err != nil {
		return netinfo.Snapshot{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.engine.Run(ctx, func(string) {})
	}()
	patience{limit, progress}.until(ctx, func() (answered bool, read, all int) {
		f := c.engine.Facts()
		for i := range f.Containers {
			if !f.Containers[i].Unread {
				read++
			}
		}
		return f.Engine.Connected || f.Engine.Error != "", read, len(f.Containers)
	})
	snap, err := c.only()
	cancel()
	<-done
	return snap, err
}

// patience is how a one-shot command waits for Docker.
type patience struct {
	limit    time.Duration
	progress func(read, all int)
}

// until waits until Docker has answered, or is away, and every container was read, or
// nothing more comes.
func (w patience) until(ctx context.Context, look func() (answered bool, read, all int)) {
	tick := time.NewTicker(progressEvery / 10)
	defer tick.Stop()
	before, at, told := -1, time.Now(), time.Now()
	// The first answer is made of many: the engine, all networks, the list of containers.
	for limit := 3 * w.limit; ; {
		answered, read, all := look()
		if answered && read >= all {
			return
		}
		now := time.Now()
		if read != before {
			before, at = read, now
		}
		if answered {
			limit = w.limit
		}
		if now.Sub(at) >= limit {
			return
		}
		if w.progress != nil && all > 0 && now.Sub(told) >= progressEvery {
			told = now
			w.progress(read, all)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Saved reads the host's facts without asking Docker, for the early boot unit:
// Docker has not started then, and where its socket listens already a question
// would wait for it in vain. The engine's networks and ports are those that the
// agent saved.
func Saved(s config.Settings, log hclog.Logger) (netinfo.Snapshot, error) {
	c, err := oneShot(s, log)
	if err != nil {
		return netinfo.Snapshot{}, err
	}
	// A scanner that knows the engine's socket connects to it.
	c.scanner = hostnet.NewScanner("/proc")
	return c.only()
}

// oneShot makes a collector that begins with what was saved.
func oneShot(s config.Settings, log hclog.Logger) (*Collector, error) {
	last, err := Load(StatePath(s.Control.Socket), BootPath(StateDir))
	if err != nil {
		log.Debug("nothing is known from an earlier run", "error", err)
	}
	c, err := New(s.Docker.Host, last, log)
	if err != nil {
		return nil, err
	}
	c.mindAll()
	c.memory.atOnce = true
	return c, nil
}

// only returns the snapshot of the first look, which is the only one.
func (c *Collector) only() (netinfo.Snapshot, error) {
	c.lookFirst()
	for i := range c.sockets.listeners {
		c.sockets.listeners[i].since = time.Time{}
	}
	c.lookByHand(true)
	for id, h := range c.byHand {
		h.twice = true
		c.byHand[id] = h
	}
	snap, _, err := c.Snapshot()
	return snap, err
}
