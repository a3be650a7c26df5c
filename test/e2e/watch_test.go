package e2e_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// watchHost is a host whose agent judges containers as they come.
type watchHost struct {
	*lab.Lab
	t     *testing.T
	agent *lab.Agent
}

// finding waits until status and the metrics count so many failures of the check.
func (h watchHost) finding(check string, want int) {
	h.t.Helper()
	metric := fmt.Sprintf("dockwall_audit_findings{check=%q,severity=\"high\"} %d\n", check, want)
	at := netip.AddrPortFrom(h.HostAddr("eth0", 4), 9323)
	deadline := time.Now().Add(10 * time.Second)
	for {
		st, err := h.agent.Status()
		got := 0
		if st.Audit != nil {
			for _, c := range st.Audit.Findings {
				if c.Check == check {
					got = c.Count
				}
			}
		}
		answer, asked := h.Client("lan").Ask(at, "/metrics")
		inMetrics := strings.Contains(answer, metric) || want == 0 && !strings.Contains(answer, "check=\""+check+"\"")
		if err == nil && asked == nil && got == want && inMetrics {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: status counts %d, want %d (%v); in the metrics: %t (%v)\n%s", check, got, want, err, inMetrics, asked, h.agent.Log())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// logged is how many lines of the agent's log say this of the check and the container.
func (h watchHost) logged(what, check, name string) int {
	n := 0
	for line := range strings.Lines(h.agent.Log()) {
		if strings.Contains(line, " "+what+": ") && strings.Contains(line, check) && strings.Contains(line, `subject="container `+name+`"`) {
			n++
		}
	}
	return n
}

// TestWatch has agentd judge containers as they come, and the host when daemon.json
// changes.
func TestWatch(t *testing.T) {
	for _, engine := range outer {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			l := lab.New(t, lab.Options{Engine: engine})
			const check = "container.privileged"
			config := "control {\n  metrics = \"[::]:9323\"\n}\ncontainers \"ci\" {\n  names = [\"ci-*\"]\n}\naudit {\n  skip \"" + check + "\" {\n    of     = [containers.ci]\n    reason = \"builds images\"\n  }\n}\n"
			h := watchHost{l, t, l.Agentd(config)}
			l.CreateContainer(lab.Spec{Name: "bad", Args: []string{"--privileged"}})
			h.finding(check, 1)
			// One that is accepted is not counted.
			l.CreateContainer(lab.Spec{Name: "ci-1", Args: []string{"--privileged"}})
			l.CreateContainer(lab.Spec{Name: "worse", Args: []string{"--privileged"}})
			h.finding(check, 2)
			text, _, _ := l.Agentctl("status")
			for name, want := range map[string]bool{"worse": true, "bad": true, "ci-1": false} {
				if shown := strings.Contains(text, fmt.Sprintf("  %-34s container %s\n", check, name)); shown != want {
					t.Errorf("status names %s: %t, want %t\n%s", name, shown, want, text)
				}
			}
			l.Docker("rm", "worse")
			h.finding(check, 1)
			l.Docker("rm", "bad")
			h.finding(check, 0)
			for name, want := range map[string]int{"bad": 1, "worse": 1, "ci-1": 0} {
				if come, gone := h.logged("finding", check, name), h.logged("finding gone", check, name); come != want || gone != 0 {
					t.Errorf("%s: %d lines that it has come, want %d, and %d that it has gone with the container, want none", name, come, want, gone)
				}
			}
			h.exec()
		})
	}
}

// exec starts a process with privileges in a container, where the machine lets it.
func (h watchHost) exec() {
	const check = "container.exec-privileged"
	h.RunContainer(lab.Spec{Name: "plain"})
	if _, _, code := h.TryDocker("exec", "--privileged", "--detach", "plain", "/responder", "serve", "-listen", "tcp:81"); code != 0 {
		h.t.Log("this machine runs no docker exec --privileged")
		return
	}
	h.finding(check, 1)
	h.Docker("restart", "--time", "1", "plain")
	h.finding(check, 0)
	if come, gone := h.logged("finding", check, "plain"), h.logged("finding gone", check, "plain"); come != 1 || gone != 1 {
		h.t.Errorf("%d lines that %s has come and %d that it has gone, want 1 each", come, check, gone)
	}
}
