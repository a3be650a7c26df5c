package metrics

import (
	"net/netip"
	"runtime"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"dockwall/agent/audit"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
	"dockwall/rules/finding"
)

// collector reports at each scrape what other packages know.
type collector struct{ m *Metrics }

// Describe sends nothing: what there is depends on the kernel's answer, and the
// registry checks at each scrape instead.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect sends the state, and what is in the kernel.
func (c collector) Collect(out chan<- prometheus.Metric) {
	e := emitter{out}
	e.status(c.m.o.Status(), c.m.o.Version)
	if c.m.o.Proofs != nil {
		e.proofs(c.m.o.Proofs())
	}
	r, decided, ok := c.m.read()
	e.gauge("dockwall_kernel_read", "Whether the kernel's rules and counters could be read for this scrape: 1, or 0.", flag(ok))
	if ok {
		e.kernel(r)
	}
	e.policies(decided)
	e.gauge("dockwall_goroutines", "What the agent does at the same time; a number that grows is a leak.", float64(runtime.NumGoroutine()))
}

type emitter struct{ out chan<- prometheus.Metric }

func (e emitter) send(t prometheus.ValueType, name, help string, value float64, labels ...string) {
	var names, values []string
	for i := 0; i+1 < len(labels); i += 2 {
		names, values = append(names, labels[i]), append(values, clean(labels[i+1]))
	}
	e.out <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, names, nil), t, value, values...)
}

func (e emitter) gauge(name, help string, value float64, labels ...string) {
	e.send(prometheus.GaugeValue, name, help, value, labels...)
}

func (e emitter) counter(name, help string, value float64, labels ...string) {
	e.send(prometheus.CounterValue, name, help, value, labels...)
}

func (e emitter) status(s reconcile.Status, version string) {
	e.gauge("dockwall_build_info", "Always 1; the version is the label.", 1, "version", version)
	for _, state := range []reconcile.State{reconcile.Starting, reconcile.Enforcing, reconcile.Degraded} {
		e.gauge("dockwall_state", "The agent's state: 1 for the one that it is in, 0 for the others.", flag(s.State == state), "state", string(state))
	}
	told := map[finding.Code]bool{}
	for _, r := range s.Reasons {
		if !told[r.Code] {
			told[r.Code] = true
			e.gauge("dockwall_degraded_reason", "1 for each reason why the state is degraded.", 1, "code", string(r.Code))
		}
	}
	e.gauge("dockwall_generation", "Changes made to the kernel since the agent started.", float64(s.Generation))
	e.gauge("dockwall_containers", "Containers with an address that rules look at.", float64(s.Containers))
	e.gauge("dockwall_config_error", "1 if agent.hcl or an addresses file has errors and its last good state is in force.", flag(s.Config.Error != ""))
	e.gauge("dockwall_docker_connected", "1 where Docker answers.", flag(s.Docker.Connected))
	e.audit(s.Audit)
	if !s.AppliedAt.IsZero() {
		e.gauge("dockwall_applied_timestamp_seconds", "When the kernel was last made or found to be as wanted.", float64(s.AppliedAt.UnixMilli())/1000)
	}
}

// audit emits how the audit stands. A check that fails nowhere has no value: there are
// more than a hundred.
func (e emitter) audit(s *audit.Summary) {
	if s == nil {
		return
	}
	for _, c := range s.Findings {
		e.gauge("dockwall_audit_findings", "Failures of a check of the audit: how many containers, images or hosts. Without those that a skip block accepts.",
			float64(c.Count), "check", c.Check, "severity", string(c.Severity))
	}
	e.gauge("dockwall_audit_waived", "Failures that a skip block accepts.", float64(s.Waived))
	e.gauge("dockwall_audit_unknown", "Findings of the audit that could not be decided.", float64(s.Unknown))
	if !s.At.IsZero() {
		e.gauge("dockwall_audit_last_run_timestamp_seconds", "When the whole host was judged last.", float64(s.At.UnixMilli())/1000)
	}
}

func (e emitter) proofs(all []netinfo.Proof) {
	for _, p := range all {
		listener := netip.AddrPortFrom(p.Addr, p.Port).String()
		e.gauge("dockwall_docker_api_protected", "1 where a port of Docker's API is proven to answer only clients with a certificate, or 0.",
			flag(p.State == netinfo.ProofProtected), "listener", listener)
		if !p.NotAfter.IsZero() {
			e.gauge("dockwall_tls_expires_timestamp_seconds", "When the certificate that dockerd shows ends.", float64(p.NotAfter.Unix()), "listener", listener)
		}
	}
}

func (e emitter) kernel(r Reading) {
	const help = "Rules of dockwall's own in the filter table."
	e.gauge("dockwall_rules", help, float64(len(r.V4)), "family", "4")
	e.gauge("dockwall_rules", help, float64(len(r.V6)), "family", "6")
	e.gauge("dockwall_sets", "Sets of dockwall's own in the kernel.", float64(r.Sets))
	e.gauge("dockwall_set_entries", "Entries of all of dockwall's own sets.", float64(r.Entries))
}

func (e emitter) policies(all []traffic) {
	for _, t := range all {
		e.counter("dockwall_policy_packets_total", "Packets that a policy decided on: the first ones of connections, and all that it denied.", float64(t.packets), "policy", t.policy, "verdict", t.verdict)
		e.counter("dockwall_policy_bytes_total", "Bytes of the packets that a policy decided on.", float64(t.bytes), "policy", t.policy, "verdict", t.verdict)
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func clean(s string) string { return strings.ToValidUTF8(s, "?") }
