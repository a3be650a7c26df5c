package metrics

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"dockwall/agent/audit"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/finding"
	"dockwall/rules/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what the metrics are asked for.
type world struct {
	now     time.Time
	reading Reading
	err     error
	reads   int
}

func newWorld() (*world, *Metrics) {
	w := &world{now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), reading: Reading{
		V4: []backend.Counter{
			{Chain: "DOCKWALL-PUBLISHED", ID: "a", Policy: "published.shop", Verdict: rules.Return, Packets: 3, Bytes: 180},
			{Chain: "DOCKWALL-PUBLISHED", ID: "b", Policy: "defaults.published", Verdict: rules.Log, Packets: 9, Bytes: 900},
			{Chain: "DOCKWALL-PUBLISHED", ID: "c", Policy: "defaults.published", Verdict: rules.Drop, Packets: 7, Bytes: 420},
		},
		V6:   []backend.Counter{{Chain: "DOCKWALL-PUBLISHED", ID: "c", Policy: "defaults.published", Verdict: rules.Reject, Packets: 1, Bytes: 80}},
		Sets: 4, Entries: 12,
	}}
	return w, New(Options{Log: hclog.NewNullLogger(), Version: "v1.2.3", Now: func() time.Time { return w.now },
		Read: func(context.Context) (Reading, error) { w.reads++; return w.reading, w.err },
		Proofs: func() []netinfo.Proof {
			return []netinfo.Proof{{Addr: netip.IPv6Unspecified(), Port: 2376, State: netinfo.ProofProtected, NotAfter: w.now.AddDate(1, 0, 0)},
				{Addr: netip.IPv6Unspecified(), Port: 2375, State: netinfo.ProofPlain}}
		},
		Status: func() reconcile.Status {
			return reconcile.Status{State: reconcile.Degraded, Generation: 7, Containers: 5, AppliedAt: w.now,
				Reasons: []finding.Finding{{Code: "docker_away"}, {Code: "config"}, {Code: "config"}}, Config: reconcile.ConfigStatus{Error: "bad"},
				Audit: &audit.Summary{At: w.now, Findings: []audit.Count{{Check: "container.privileged", Severity: finding.High, Count: 2}}, Waived: 1, Unknown: 3}}
		}})
}

// scrape is what Prometheus gets.
func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !slices.Contains(strings.Split(text, "\n"), line) {
			t.Errorf("there is no %q in:\n%s", line, text)
		}
	}
}

func TestNamesStay(t *testing.T) {
	_, m := newWorld()
	m.Denied("published.shop")
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil || len(problems) > 0 {
		t.Errorf("%v, lint: %v", err, problems)
	}
	var got []string
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (.*)$`).FindAllStringSubmatch(scrape(t, m), -1) {
		got = append(got, line[1])
	}
	want := []string{
		"dockwall_applied_timestamp_seconds gauge",
		"dockwall_apply_duration_seconds histogram",
		"dockwall_apply_errors_total counter",
		"dockwall_audit_findings gauge", "dockwall_audit_last_run_timestamp_seconds gauge", "dockwall_audit_unknown gauge", "dockwall_audit_waived gauge",
		"dockwall_build_info gauge",
		"dockwall_config_error gauge",
		"dockwall_containers gauge",
		"dockwall_degraded_reason gauge",
		"dockwall_denied_total counter",
		"dockwall_docker_api_protected gauge",
		"dockwall_docker_connected gauge",
		"dockwall_event_latency_seconds histogram",
		"dockwall_generation gauge",
		"dockwall_goroutines gauge",
		"dockwall_kernel_read gauge",
		"dockwall_policy_bytes_total counter",
		"dockwall_policy_packets_total counter",
		"dockwall_repairs_total counter",
		"dockwall_rules gauge",
		"dockwall_set_entries gauge",
		"dockwall_sets gauge",
		"dockwall_state gauge",
		"dockwall_tls_expires_timestamp_seconds gauge",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestValues(t *testing.T) {
	_, m := newWorld()
	has(t, scrape(t, m), `dockwall_state{state="degraded"} 1`, `dockwall_state{state="enforcing"} 0`, `dockwall_degraded_reason{code="config"} 1`,
		`dockwall_generation 7`, `dockwall_containers 5`, `dockwall_config_error 1`, `dockwall_docker_connected 0`,
		`dockwall_rules{family="4"} 3`, `dockwall_rules{family="6"} 1`, `dockwall_sets 4`, `dockwall_set_entries 12`,
		`dockwall_policy_packets_total{policy="published.shop",verdict="allow"} 3`,
		`dockwall_policy_packets_total{policy="defaults.published",verdict="deny"} 8`,
		`dockwall_policy_bytes_total{policy="defaults.published",verdict="deny"} 500`)
}

func TestPasses(t *testing.T) {
	w, m := newWorld()
	event := w.now.Add(-20 * time.Millisecond)
	pass := func(p reconcile.Pass) { m.Passed(p, reconcile.Status{}) }
	pass(reconcile.Pass{Due: reconcile.DueFacts, Changed: true, Event: event, Took: time.Millisecond})
	pass(reconcile.Pass{Due: reconcile.DueFacts, Changed: true, Event: event}) // of something else
	pass(reconcile.Pass{Due: reconcile.DueFile | reconcile.DueKernel, Changed: true})
	pass(reconcile.Pass{Due: reconcile.DueKernel, Changed: true, Repaired: true, Drift: []plan.ChangeKind{plan.ChangeJump, plan.ChangeSet}})
	pass(reconcile.Pass{Due: reconcile.DueKernel, Repaired: true, Drift: []plan.ChangeKind{plan.ChangeJump}, Err: errors.New("no")})
	pass(reconcile.Pass{Due: reconcile.DueKernel, Changed: true})
	pass(reconcile.Pass{Due: reconcile.DueKernel})
	pass(reconcile.Pass{Due: reconcile.DueKernel, Err: errors.New("no")})
	has(t, scrape(t, m), `dockwall_apply_duration_seconds_count{cause="facts"} 2`, `dockwall_apply_duration_seconds_count{cause="file"} 1`,
		`dockwall_apply_duration_seconds_count{cause="repair"} 1`, `dockwall_apply_duration_seconds_count{cause="kernel"} 1`,
		`dockwall_repairs_total{kind="chain"} 0`, `dockwall_repairs_total{kind="jump"} 1`, `dockwall_repairs_total{kind="set"} 1`,
		`dockwall_apply_errors_total 2`, `dockwall_event_latency_seconds_count 1`, `dockwall_event_latency_seconds_sum 0.02`)
}

// The kernel is read when somebody asks, and not at each asking.
func TestKernelIsReadSeldom(t *testing.T) {
	w, m := newWorld()
	if w.reads != 0 {
		t.Error("the kernel was read though nobody asked")
	}
	scrape(t, m)
	w.now = w.now.Add(readSpacing - time.Millisecond)
	scrape(t, m)
	if w.reads != 1 {
		t.Errorf("the kernel was read %d times, want once", w.reads)
	}
	w.now = w.now.Add(time.Millisecond)
	w.err = errors.New("no iptables")
	text := scrape(t, m)
	has(t, text, "dockwall_kernel_read 0", `dockwall_policy_packets_total{policy="published.shop",verdict="allow"} 3`)
	if w.reads != 2 || strings.Contains(text, "dockwall_rules{") {
		t.Errorf("%d reads, and:\n%s", w.reads, text)
	}
}

// A chain that is written anew begins at nothing; the sums go on.
func TestCountersNeverFall(t *testing.T) {
	w, m := newWorld()
	scrape(t, m)
	w.reading.V4 = slices.Clone(w.reading.V4)
	w.reading.V4[2].Packets, w.reading.V4[2].Bytes = 2, 100 // written anew, and met since
	w.reading.V4[0].Packets, w.reading.V4[0].Bytes = 5, 300
	w.reading.V6 = nil
	w.now = w.now.Add(readSpacing)
	has(t, scrape(t, m), `dockwall_policy_packets_total{policy="defaults.published",verdict="deny"} 10`,
		`dockwall_policy_bytes_total{policy="defaults.published",verdict="deny"} 600`,
		`dockwall_policy_packets_total{policy="published.shop",verdict="allow"} 5`)
}

func TestDeniedIsBounded(t *testing.T) {
	_, m := newWorld()
	for i := range maxPolicies + 10 {
		m.Denied(fmt.Sprintf("p%d", i))
	}
	m.Denied("p0")
	m.Denied("\xff")
	has(t, scrape(t, m), `dockwall_denied_total{policy="p0"} 2`, `dockwall_denied_total{policy="other"} 11`)
	if n := testutil.CollectAndCount(m.denied); n != maxPolicies+1 {
		t.Errorf("%d policies, want %d", n, maxPolicies+1)
	}
}

// locked is a log that may be read while it is written.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// await waits for something to be logged.
func (l *locked) await(t *testing.T, want string) string {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if s := l.String(); strings.Contains(s, want) {
			return s
		}
	}
	t.Fatalf("no %q in the log:\n%s", want, l)
	return ""
}

// running runs the metrics until the test ends.
func running(t *testing.T, m *Metrics, address string) *locked {
	t.Helper()
	log := &locked{}
	m.o.Log = hclog.New(&hclog.LoggerOptions{Output: log})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); m.Run(ctx, address) }()
	t.Cleanup(func() { cancel(); <-done })
	return log
}

func TestServed(t *testing.T) {
	_, m := newWorld()
	log := running(t, m, "127.0.0.1:0")
	address := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(log.await(t, "serving metrics"))[1]
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	has(t, string(body), "dockwall_generation 7")
}

func TestTakenPortIsTold(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, m := newWorld()
	log := running(t, m, taken.Addr().String())
	log.await(t, "the metrics are not served; the firewall is not affected: address="+taken.Addr().String())
	log.await(t, "address already in use")
}
