package boot_test

import (
	"strings"
	"testing"
	"time"

	"dockwall/test/boot"
)

// rpm is the life of the other package. Its system's rpm is real, and so are the
// scripts that it runs; what else is installed there is Debian's.
func rpm(t *testing.T) {
	m := boot.New(t)
	var before string
	live(t, m, []step{
		{"a host with Docker", func(t *testing.T, m *boot.Machine) {
			m.Boot()
			m.StartDocker()
			m.StartContainers()
			m.WaitReaches(20*time.Second, stranger, published)
			before = m.Save()
		}},
		{"installing changes nothing", func(t *testing.T, m *boot.Machine) {
			m.RPM("--install", boot.Package(t, "rpm", "1.0.0"))
			m.Run("cmp", "/usr/share/dockwall/agent.hcl", "/etc/dockwall/agent.hcl")
			sameRules(t, m, before)
			notStarted(t, m)
			checkUnits(t, m)
		}},
		{"enabling closes", enables},
		{"upgrading opens nothing", func(t *testing.T, m *boot.Machine) {
			pid := property(m, "dockwall.service", "MainPID")
			floods := m.Flood(60*time.Second, addresses(m)...)
			m.RPM("--upgrade", boot.Package(t, "rpm", "1.0.1"))
			waitNewPID(m, pid)
			m.Stop(floods)
			enforcing(t, m)
			if out := m.Run("rpm", "--query", "dockwall"); !strings.HasPrefix(out, "dockwall-1.0.1-1.") {
				t.Errorf("installed is %s", out)
			}
			if got := m.Run("cat", "/etc/dockwall/agent.hcl"); got != officeOnly {
				t.Errorf("the upgrade replaced the operator's file:\n%s", got)
			}
		}},
		{"erasing", func(t *testing.T, m *boot.Machine) {
			m.Run("rpm", "--erase", "--force-debian", "dockwall")
			sameRules(t, m, before)
			m.WaitReaches(5*time.Second, stranger, published)
			if out, err := m.Try("systemctl", "cat", "dockwall.service"); err == nil {
				t.Errorf("the unit is still there:\n%s", out)
			}
			// rpm knows no purge: what the operator wrote is kept.
			if out := m.Shell("find /etc /run /var/lib -path '*dockwall*' -type f | grep -v /var/lib/docker/ || true"); strings.TrimSpace(out) != "/etc/dockwall/agent.hcl" {
				t.Errorf("left behind are\n%s", out)
			}
		}},
	})
}
