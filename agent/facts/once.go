package facts

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// Once reads the host's facts for a one-shot command: links, sockets, and
// Docker, for whose first complete answer it waits at most timeout. Docker away
// is not an error: Engine.Connected is false then and Engine.Error says why.
func Once(ctx context.Context, s config.Settings, timeout time.Duration, log hclog.Logger) (netinfo.Snapshot, error) {
	c, err := oneShot(s, log)
	if err != nil {
		return netinfo.Snapshot{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	answered := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.engine.Run(ctx, func(string) {
			select {
			case answered <- struct{}{}:
			default:
			}
		})
	}()
	for waiting := true; waiting; {
		if e := c.engine.Facts().Engine; e.Connected || e.Error != "" {
			break
		}
		select {
		case <-answered:
		case <-ctx.Done():
			waiting = false
		}
	}
	snap, err := c.only()
	cancel()
	<-done
	return snap, err
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
	return c, nil
}

// only returns the snapshot of the first look, which is the only one.
func (c *Collector) only() (netinfo.Snapshot, error) {
	c.lookFirst()
	for i := range c.sockets.listeners {
		c.sockets.listeners[i].since = time.Time{}
	}
	snap, _, err := c.Snapshot()
	return snap, err
}
