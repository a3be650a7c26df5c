package daemon

import (
	"context"
	"time"

	"dockwall/agent/kernel"
	"dockwall/agent/metrics"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
)

// newMetrics makes the agent's metrics.
func (a *agent) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Options{Log: a.log.Named("metrics"), Version: a.options.Version, Now: time.Now,
		Status: a.status, Read: a.readKernel,
		Proofs: func() []netinfo.Proof { return a.loop.Snapshot().Proofs }})
}

// status is the loop's, and how the audit stands. The loop is made after its observer.
func (a *agent) status() reconcile.Status {
	s := a.loop.Status()
	s.Audit = a.watch.Summary()
	return s
}

// readKernel is what a scrape looks at in the kernel.
func (a *agent) readKernel(ctx context.Context) (metrics.Reading, error) {
	var r metrics.Reading
	in := a.loop.Enforced()
	if in == nil {
		return r, nil // nothing is in force yet
	}
	runner := a.kernel.Backends()
	var err error
	if r.V4, err = runner.Counters(ctx, in.Backend, 4); err != nil {
		return r, err
	}
	if r.V6, err = runner.Counters(ctx, in.Backend, 6); err != nil {
		return r, err
	}
	if a.frames.InForce() {
		if r.Bridges, err = kernel.FrameCounters(); err != nil {
			return r, err
		}
	}
	if !in.Backend.Limits().Inline {
		r.Sets, r.Entries, err = runner.SetSizes(ctx, in.Backend)
	}
	return r, err
}
