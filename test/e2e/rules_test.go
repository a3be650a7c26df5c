package e2e_test

import (
	"encoding/json"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
	"dockwall/test/scenario"
)

const (
	hangup = syscall.SIGHUP
	// cutTime is how long a test waits for a connection to be cut. It is no goal: a
	// busy machine may need longer than users see.
	cutTime = 15 * time.Second
	// statusTime is how long the daemon's state may take to follow.
	statusTime = 10 * time.Second
)

// repaired waits until the agent's rules are as before the tampering.
func (p *player) repaired(limit time.Duration) {
	p.t.Helper()
	began := time.Now()
	for {
		waited := time.Since(began)
		diff := cmp.Diff(p.tampered, lab.Owned(p.host.Save()))
		if diff == "" {
			p.t.Logf("line %d: repaired after %v", p.line, waited.Round(time.Millisecond))
			return
		}
		if waited > limit {
			p.fail("line %d: not repaired after %v (-before +now):\n%s", p.line, limit, diff)
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (p *player) connection(a scenario.Connection) {
	p.t.Helper()
	s := p.streams[a.Name]
	if !a.Cut {
		if got := s.Echo(); got != "ok" {
			p.fail("line %d: connection %s: %s, want it to live", p.line, a.Name, got)
		}
		return
	}
	began := time.Now()
	for got := s.Echo(); got == "ok"; got = s.Echo() {
		if time.Since(began) > cutTime {
			p.fail("line %d: connection %s lives after %v, want it cut", p.line, a.Name, cutTime)
			return
		}
	}
	p.t.Logf("line %d: connection %s was cut within %v", p.line, a.Name, time.Since(began).Round(time.Millisecond))
}

func (p *player) agentctl(a scenario.Agentctl) {
	p.t.Helper()
	p.writeFirst()
	stdout, stderr, code := p.host.Agentctl(a.Args...)
	p.stdout = stdout
	if code != a.Code {
		p.fail("line %d: agentctl %s: exit code %d, want %d\n%s%s", p.line, strings.Join(a.Args, " "), code, a.Code, stdout, stderr)
	}
}

// status waits for the state, with the reasons among its own.
func (p *player) status(want scenario.Status) {
	p.t.Helper()
	deadline := time.Now().Add(statusTime)
	for {
		state, detail := p.agent.State()
		if state == want.State && hasReasons(detail, want.Reasons) {
			return
		}
		if time.Now().After(deadline) {
			p.fail("line %d: status %s %v, got %s", p.line, want.State, want.Reasons, detail)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func hasReasons(status string, want []string) bool {
	var s struct{ Reasons []struct{ Code string } }
	if json.Unmarshal([]byte(status), &s) != nil {
		return false
	}
	for _, code := range want {
		if !slices.ContainsFunc(s.Reasons, func(r struct{ Code string }) bool { return r.Code == code }) {
			return false
		}
	}
	return true
}
