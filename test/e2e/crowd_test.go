package e2e_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// TestCrowdedMetrics has 2,000 connections to the metrics that ask for nothing, and
// whatever the agent closes opened again, while the agent may open 160 descriptors.
// A change of the file and a container's start are in force as soon as otherwise,
// others are answered, and afterwards nothing is left of it.
func TestCrowdedMetrics(t *testing.T) {
	l := lab.New(t, lab.Options{AgentFiles: 160})
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	control := "control {\n  metrics = \"[::]:9323\"\n}\n"
	open := control + `published "web" { from = ["any"] }` + "\n"
	agent := l.Agentd(open)
	wan, four := l.Client("wan"), l.HostAddr("eth0", 4)
	metrics := netip.AddrPortFrom(four, 9323)
	must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: four, Port: 8080}, "web")
	before, goroutines := descriptors(t, agent), goroutines(t, l.Client("lan"), metrics)

	crowd := wan.Crowd(2000, metrics)
	time.Sleep(3 * time.Second)
	for _, config := range []string{control, open} {
		l.WriteConfig(config)
		t.Logf("a change of the file was in force after %v", untilVerdict(t, wan, four, config == open))
	}
	began := time.Now()
	late := l.RunContainer(lab.Spec{Name: "late", Publish: []string{"8081:80"}})
	must(t, l, lab.Ask{From: wan, Proto: "tcp", Addr: four, Port: 8081}, "late")
	t.Logf("a container was reached %v after docker run", time.Since(began).Round(time.Millisecond))
	late.Remove()
	if _, errs, code := l.Agentctl("status"); code != 0 {
		t.Errorf("status: exit code %d: %s", code, errs)
	}
	if answer, err := l.Client("lan").Ask(metrics, "/metrics"); err != nil || !strings.Contains(answer, "dockwall_state") {
		t.Errorf("another client's scrape: %v\n%.200s", err, answer)
	}
	if n := descriptors(t, agent); n > 120 {
		t.Errorf("the agent has %d descriptors open", n)
	} else {
		t.Logf("the agent had %d descriptors open, and %d before", n, before)
	}
	crowd.Stop()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		now, running := descriptors(t, agent), goroutinesNow(l.Client("lan"), metrics)
		if now <= before+4 && running <= goroutines+8 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors and %d goroutines are left, of %d and %d", now, running, before, goroutines)
		}
	}
	if log := agent.Log(); strings.Contains(log, "too many open files") {
		t.Errorf("the agent ran out of descriptors:\n%s", log)
	}
}

// descriptors is how many the agent has open.
func descriptors(t *testing.T, a *lab.Agent) int {
	t.Helper()
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", a.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func goroutines(t *testing.T, from *lab.Client, at netip.AddrPort) int {
	t.Helper()
	n := goroutinesNow(from, at)
	if n == 1<<30 {
		t.Fatal("the metrics are not answered")
	}
	return n
}

var goroutineGauge = regexp.MustCompile(`(?m)^dockwall_goroutines (\d+)`)

// goroutinesNow is very many while the metrics are not answered.
func goroutinesNow(from *lab.Client, at netip.AddrPort) int {
	answer, _ := from.Ask(at, "/metrics")
	if m := goroutineGauge.FindStringSubmatch(answer); m != nil {
		n, _ := strconv.Atoi(m[1])
		return n
	}
	return 1 << 30
}
