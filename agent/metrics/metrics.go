package metrics

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"dockwall/agent/reconcile"
	"dockwall/netinfo"
	"dockwall/rules/plan"
)

// maxPolicies is how many policies packets are counted under; what another
// program logs to the group has prefixes of its own.
const maxPolicies = 1000

// Options are what Metrics are made of.
type Options struct {
	Log    hclog.Logger
	Status func() reconcile.Status
	// Read looks at the kernel. It is called at scrapes, one at a time.
	Read func(context.Context) (Reading, error)
	// Proofs returns what probes showed of Docker's API; nil if there are none.
	Proofs func() []netinfo.Proof
	// Version is the build's.
	Version string
	Now     func() time.Time
}

// Metrics are the agent's.
type Metrics struct {
	o        Options
	registry *prometheus.Registry

	applied *prometheus.HistogramVec
	errors  prometheus.Counter
	latency prometheus.Histogram
	denied  *prometheus.CounterVec
	repairs *prometheus.CounterVec

	mu       sync.Mutex
	event    time.Time // the last one that was seen
	policies map[string]bool

	reading sync.Mutex
	readAt  time.Time
	readOK  bool
	last    Reading
	tally   tally
	// counted is for callers that cannot wait for a reading.
	counted atomic.Pointer[counted]
}

// New makes them; Run serves them.
func New(o Options) *Metrics {
	m := &Metrics{o: o, registry: prometheus.NewRegistry(), policies: map[string]bool{}, tally: newTally(),
		applied: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "dockwall_apply_duration_seconds", Help: "How long the passes took that changed the kernel, by what they looked at (file, facts, kernel) or that they repaired it (repair).",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}, []string{"cause"}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "dockwall_apply_errors_total", Help: "Passes that failed; the kernel is then as it was."}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "dockwall_event_latency_seconds", Help: "Time from an event in Docker to the kernel holding what follows from it.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
		denied: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dockwall_denied_total", Help: "Refused packets that the kernel reported, by policy. Reports are limited to some a second for each rule: see dockwall_policy_packets_total for all."}, []string{"policy"}),
		repairs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "dockwall_repairs_total", Help: "Changes of other programs that were put back, by what they changed: chain (rules of dockwall's own), jump (the way to them) or set."}, []string{"kind"}),
	}
	for _, cause := range causes() {
		m.applied.WithLabelValues(cause)
	}
	for _, kind := range plan.ChangeKinds() {
		m.repairs.WithLabelValues(string(kind))
	}
	m.registry.MustRegister(m.applied, m.errors, m.latency, m.denied, m.repairs, collector{m})
	return m
}

// causes are the classes of passes.
func causes() []string { return []string{"file", "facts", "kernel", "repair"} }

func causeOf(p reconcile.Pass) string {
	switch {
	case p.Due&reconcile.DueFile != 0:
		return "file"
	case p.Repaired:
		return "repair"
	case p.Due&reconcile.DueKernel != 0:
		return "kernel"
	}
	return "facts"
}

// Passed takes note of a pass of the loop.
func (m *Metrics) Passed(p reconcile.Pass, _ reconcile.Status) {
	if p.Err != nil {
		m.errors.Inc()
	}
	m.mu.Lock()
	fresh := !p.Event.IsZero() && !p.Event.Equal(m.event)
	if p.Err == nil {
		m.event = p.Event
	}
	m.mu.Unlock()
	if !p.Changed || p.Err != nil {
		return
	}
	m.applied.WithLabelValues(causeOf(p)).Observe(p.Took.Seconds())
	for _, kind := range p.Drift {
		m.repairs.WithLabelValues(string(kind)).Inc()
	}
	// A later pass has the same event still, and has nothing to do with it.
	if fresh {
		m.latency.Observe(max(0, m.o.Now().Sub(p.Event).Seconds()))
	}
}

// Denied counts a refused packet.
func (m *Metrics) Denied(policy string) {
	m.mu.Lock()
	if !m.policies[policy] && len(m.policies) < maxPolicies {
		m.policies[policy] = true
	}
	known := m.policies[policy]
	m.mu.Unlock()
	if !known {
		policy = "other"
	}
	// A label has to be UTF-8, which a prefix of another program's may not be.
	m.denied.WithLabelValues(clean(policy)).Inc()
}
