package boot_test

import (
	"strings"
	"testing"
	"time"

	"dockwall/test/boot"
)

// hiddenFiles has root's check find a file that the service cannot read, wherever it is,
// before the service does; the service's own message does not tell root to be root. The
// last good policy holds.
func hiddenFiles(t *testing.T, m *boot.Machine) {
	const listed = "addresses \"feed\" { file = \"/etc/dockwall/feed.cidr\" }\n"
	for name, tt := range map[string]struct{ setUp, why string }{
		"agent.hcl in /root": {"mv /etc/dockwall/agent.hcl /root/ && ln -s /root/agent.hcl /etc/dockwall/agent.hcl", "ProtectHome"},
		"a list in /home":    {"d=/home/deploy; mkdir -p $d && mv /etc/dockwall/feed.cidr $d/ && ln -s $d/feed.cidr /etc/dockwall/feed.cidr", "ProtectHome"},
		"another user's":     {"chown nobody /etc/dockwall/feed.cidr && chmod 0600 /etc/dockwall/feed.cidr", "chown root"},
	} {
		m.Write("/etc/dockwall/feed.cidr", "198.51.100.1\n")
		m.Write("/etc/dockwall/agent.hcl", officeOnly+listed)
		if out := m.Run("agentctl", "check"); strings.Contains(out, "cannot read") {
			t.Errorf("%s: check before: %s", name, out)
		}
		m.Run("systemctl", "restart", "dockwall.service")
		m.Shell(tt.setUp)
		if out, err := m.Try("agentctl", "check"); err == nil || !strings.Contains(out, "dockwall.service cannot read /etc/dockwall/") || !strings.Contains(out, tt.why) {
			t.Errorf("%s: check says: %v\n%s", name, err, out)
		}
		m.Run("systemctl", "restart", "dockwall.service")
		for _, to := range []string{published, hostNet} {
			m.WaitReaches(20*time.Second, office, to)
			if ok, _ := m.Reaches(stranger, to); ok {
				t.Errorf("%s: a stranger reaches %s", name, to)
			}
		}
		status, _ := m.Try("agentctl", "status")
		if !strings.Contains(status, "permission denied") {
			t.Errorf("%s: status does not say so:\n%s", name, status)
		}
		if log := m.Run("journalctl", "-b", "-o", "cat", "--no-pager", "-u", "dockwall.service"); strings.Contains(log, "Run as root") {
			t.Errorf("%s: root is told to be root:\n%s", name, log)
		}
		m.Run("rm", "-rf", "/etc/dockwall/feed.cidr", "/home/deploy", "/root/agent.hcl")
	}
	m.Write("/etc/dockwall/agent.hcl", officeOnly)
	m.Run("systemctl", "restart", "dockwall.service")
	enforcing(t, m)
}
