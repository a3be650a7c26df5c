package daemon

import (
	"os"
	"strings"
	"testing"
)

// scrape asks for the metrics from within the host.
func (h *host) scrape() string {
	h.t.Helper()
	out, _ := h.command("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/9323 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3`).CombinedOutput()
	return string(out)
}

func TestMetricsAreServed(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	text, err := os.ReadFile(h.file())
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "control {\n", "control {\n  metrics = \"127.0.0.1:9323\"\n", 1))
	if err := os.WriteFile(h.file(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	p := h.start()
	p.inForce()
	var got string
	h.until("the metrics", func() bool {
		got = h.scrape()
		return strings.Contains(got, "dockwall_kernel_read 1\n") && strings.Contains(got, `dockwall_rules{family="6"}`)
	})
	for _, want := range []string{
		`dockwall_state{state="degraded"} 1`, // there is no Docker
		`dockwall_degraded_reason{code="docker_away"} 1`,
		`dockwall_policy_packets_total{policy="published.shop",verdict="allow"} 0`,
		`dockwall_apply_duration_seconds_count{cause="file"} 1`,
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("there is no %s in:\n%s", want, got)
		}
	}
	for _, not := range []string{`dockwall_rules{family="4"} 0`, "dockwall_sets 0"} {
		if strings.Contains(got, not+"\n") {
			t.Errorf("%s in:\n%s", not, got)
		}
	}
	p.stop()
}
