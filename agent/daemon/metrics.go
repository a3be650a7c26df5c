package daemon

import (
	"context"
	"time"

	"dockwall/agent/metrics"
	"dockwall/agent/reconcile"
	"dockwall/rules/backend/iptables"
)

// newMetrics makes the agent's metrics.
func (a *agent) newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Options{Log: a.log.Named("metrics"), Version: a.options.Version, Now: time.Now,
		// The loop is made after its observer.
		Status: func() reconcile.Status { return a.loop.Status() }, Read: a.readKernel})
}

// readKernel is what a scrape looks at in the kernel.
func (a *agent) readKernel(ctx context.Context) (metrics.Reading, error) {
	var r metrics.Reading
	st := a.loop.Status()
	if st.Backend == "" {
		return r, nil // nothing was written yet
	}
	var err error
	if r.V4, err = a.kernel.Counters(ctx, iptables.Variant(st.Backend), iptables.V4); err != nil {
		return r, err
	}
	if r.V6, err = a.kernel.Counters(ctx, iptables.Variant(st.Backend), iptables.V6); err != nil {
		return r, err
	}
	if st.Sets == "ipset" {
		r.Sets, r.Entries, err = a.kernel.SetSizes(ctx)
	}
	return r, err
}
