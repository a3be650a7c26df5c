package facts

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/netinfo"
)

// Once reads the host's facts for a one-shot command: links, sockets, and
// Docker, for whose first complete answer it waits at most timeout. Docker away
// is not an error: Engine.Connected is false then and Engine.Error says why.
func Once(ctx context.Context, s config.Settings, timeout time.Duration, log hclog.Logger) (netinfo.Snapshot, error) {
	last, err := Load(StatePath(s.Control.Socket), BootPath(StateDir))
	if err != nil {
		log.Debug("nothing is known from an earlier run", "error", err)
	}
	c, err := New(s.Docker.Host, last, log)
	if err != nil {
		return netinfo.Snapshot{}, err
	}
	c.mindAll()
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
	c.lookFirst()
	// A one-shot has no second look to wait for.
	for i := range c.sockets.listeners {
		c.sockets.listeners[i].since = time.Time{}
	}
	snap, _, err := c.Snapshot()
	cancel()
	<-done
	return snap, err
}
