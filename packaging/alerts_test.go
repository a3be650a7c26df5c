package packaging_test

import (
	"regexp"
	"strings"
	"testing"
)

// TestAlerts has promtool check the rules and run their unit tests.
func TestAlerts(t *testing.T) {
	need(t, "promtool")
	output(t, "promtool", "check", "rules", "prometheus/alerts.yaml")
	output(t, "promtool", "test", "rules", "prometheus/alerts_test.yaml")
}

// TestAlertsAreTested has a case for each alert in which it fires, and one in which it
// does not. One of them fires although no series of dockwall is left.
func TestAlertsAreTested(t *testing.T) {
	rules, tests := read(t, "prometheus/alerts.yaml"), read(t, "prometheus/alerts_test.yaml")
	alerts := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(rules, -1)
	if len(alerts) < 8 {
		t.Errorf("there are %d alerts", len(alerts))
	}
	for _, a := range alerts {
		if !strings.Contains(tests, "alertname: "+a[1]+"\n") {
			t.Errorf("no test has %s fire", a[1])
		}
		if !strings.Contains(tests, "alertname: "+a[1]+", exp_alerts: []}") {
			t.Errorf("no test has %s not fire", a[1])
		}
	}
	for _, without := range []string{"up{", "absent(", "unless on"} {
		if !strings.Contains(rules, without) {
			t.Errorf("no rule has %s: the others need a series that is gone when agentd is dead", without)
		}
	}
}
