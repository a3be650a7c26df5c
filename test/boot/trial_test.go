package boot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dockwall/test/boot"
)

// everybody lets everybody in.
const everybody = officeOnly + "published \"all\" { from = [\"any\"] }\n"

// trials lets everybody in on trial, by another file, by agent.hcl itself, and
// with the power cut before it went back.
func trials(t *testing.T, m *boot.Machine) {
	const candidate = "/etc/dockwall/new.hcl"
	m.Write(candidate, everybody)
	m.Run("agentctl", "apply", "--confirm", "3s", "--config", candidate)
	m.WaitReaches(2*time.Second, stranger, published)
	untilClosed(m)
	enforcing(t, m)
	m.Run("agentctl", "apply", "--confirm", "60s", "--config", candidate)
	m.Run("agentctl", "confirm")
	if got := m.Run("cat", "/etc/dockwall/agent.hcl", "/etc/dockwall/agent.hcl.old"); got != everybody+officeOnly {
		t.Errorf("what was confirmed was not written over agent.hcl:\n%s", got)
	}
	m.WaitReaches(5*time.Second, stranger, published)

	m.Run("mv", "/etc/dockwall/agent.hcl.old", "/etc/dockwall/agent.hcl")
	untilClosed(m)
	enforcing(t, m)
	m.Write("/etc/dockwall/agent.hcl", everybody)
	if out := m.Run("agentctl", "apply", "--confirm", "3s"); !strings.Contains(out, "On trial: /etc/dockwall/agent.hcl") {
		t.Errorf("agentctl apply --confirm: %s", out)
	}
	m.WaitReaches(2*time.Second, stranger, published)
	m.Run("sync")
	m.Cut()
	time.Sleep(3 * time.Second) // the deadline passes without anybody
	m.Wire()
	floods := m.Flood(60*time.Second, published, proxied, hostNet, "172.17.0.2:80")
	m.PowerOn()
	m.WaitBooted()
	for _, to := range []string{published, hostNet} {
		m.WaitReaches(20*time.Second, office, to)
	}
	m.Run("systemctl", "reload", "dockwall.service")
	m.Stop(floods)
	if out, err := m.Try("agentctl", "status"); err == nil || !strings.Contains(out, "unconfirmed") {
		t.Errorf("agentctl status: %v\n%s", err, out)
	}
	m.Write("/etc/dockwall/agent.hcl", officeOnly)
	enforcing(t, m)
}

// untilClosed waits until a stranger does not get in any more.
func untilClosed(m *boot.Machine) {
	m.Until(10*time.Second, "the trial to go back", func() error {
		if ok, class := m.Reaches(stranger, published); ok {
			return fmt.Errorf("a stranger reaches %s: %s", published, class)
		}
		return nil
	})
}
