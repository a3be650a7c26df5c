package boot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/boot"
)

const (
	published = "192.0.2.1:8080"
	proxied   = "[2001:db8:1::1]:8080" // Docker 20.10 has no IPv6: docker-proxy answers
	hostNet   = "192.0.2.1:8081"
	stranger  = "192.0.2.10"
	office    = "192.0.2.11"
)

// officeOnly lets only the office in. A container on the host's
// network is judged where a block names it and the port.
const officeOnly = `
addresses "office" { cidrs = ["192.0.2.11", "2001:db8:1::11"] }
published "office" { from = [addresses.office] }
containers "direct" { names = ["direct"] }
published "direct" {
  to    = [containers.direct]
  ports = ["8081/tcp"]
  from  = [addresses.office]
}
`

// step is one part of a machine's life. Each begins where the one before ended,
// so the first that fails ends the test.
type step struct {
	name string
	do   func(t *testing.T, m *boot.Machine)
}

func live(t *testing.T, m *boot.Machine, steps []step) {
	t.Helper()
	for _, s := range steps {
		began := time.Now()
		s.do(t, m)
		if t.Failed() {
			t.Fatalf("%s failed", s.name)
		}
		t.Logf("%s: fine after %s", s.name, time.Since(began).Round(10*time.Millisecond))
	}
}

// TestPackage builds the package once, and boots it.
func TestPackage(t *testing.T) {
	deb := boot.Package(t, "deb", "1.0.0")
	t.Run("life", func(t *testing.T) { life(t, deb) })
	t.Run("failing", func(t *testing.T) { failing(t, deb) })
	t.Run("rpm", rpm)
	t.Run("other firewalls", func(t *testing.T) { otherFirewalls(t, deb) })
	t.Run("saved rules", func(t *testing.T) { savedRules(t, deb) })
}

// life is a package's life on one host, from its installation to its purge.
func life(t *testing.T, deb string) {
	m := boot.New(t)
	var before string // the rules without dockwall
	live(t, m, []step{
		{"a host with Docker", func(t *testing.T, m *boot.Machine) {
			m.Boot()
			m.StartDocker()
			m.StartContainers()
			for _, to := range []string{published, hostNet} {
				m.WaitReaches(20*time.Second, stranger, to) // or being stopped would prove nothing
			}
			before = m.Save()
		}},
		{"installing changes nothing", func(t *testing.T, m *boot.Machine) {
			m.Install(deb)
			sameRules(t, m, before)
			notStarted(t, m)
			m.Run("cmp", "/usr/share/dockwall/agent.hcl", "/etc/dockwall/agent.hcl")
			if out, err := m.Try("ls", "-d", "/run/dockwall", "/var/lib/dockwall"); err == nil {
				t.Errorf("installing made %s", out)
			}
			checkUnits(t, m)
		}},
		{"enabling closes", enables},
		{"restarts and kills open nothing", restarts},
		{"reload", reloads},
		{"files that the sandbox hides", hiddenFiles},
		{"the watchdog", watchdog},
		{"upgrading opens nothing", func(t *testing.T, m *boot.Machine) { upgrades(t, m, m.Newer(deb)) }},
		{"rebooting", func(t *testing.T, m *boot.Machine) { m.PowerOff(); coldBoot(t, m) }},
		{"a power cut", func(t *testing.T, m *boot.Machine) { m.Cut(); coldBoot(t, m) }},
		{"a bad file at boot", badFileAtBoot},
		{"trials go back", trials},
		{"removing and purging", func(t *testing.T, m *boot.Machine) { removal(t, m, before) }},
	})
}

// enforcing waits for the daemon, and looks whether the office gets in and a
// stranger does not.
func enforcing(t *testing.T, m *boot.Machine) {
	t.Helper()
	m.Until(20*time.Second, "agentd to be enforcing", func() error {
		out, err := m.Try("agentctl", "status")
		if err != nil {
			return fmt.Errorf("agentctl status: %w\n%s", err, out)
		}
		return nil
	})
	for _, to := range []string{published, hostNet} {
		m.WaitReaches(20*time.Second, office, to)
		if ok, _ := m.Reaches(stranger, to); ok {
			t.Errorf("a stranger reaches %s", to)
		}
	}
	if ok, _ := m.Reaches("2001:db8:1::10", proxied); ok {
		t.Errorf("a stranger reaches %s", proxied)
	}
	m.Until(5*time.Second, "systemd to show that", func() error {
		if status := property(m, "dockwall.service", "StatusText"); !strings.HasPrefix(status, "enforcing; ") {
			return fmt.Errorf("it shows the status %q", status)
		}
		return nil
	})
}

func enables(t *testing.T, m *boot.Machine) {
	m.Write("/etc/dockwall/agent.hcl", officeOnly)
	m.Run("systemctl", "enable", "--now", "dockwall.service")
	enforcing(t, m)
	checkSandbox(t, m)
}

// notStarted looks whether installing the package has left its units alone.
func notStarted(t *testing.T, m *boot.Machine) {
	t.Helper()
	for _, unit := range []string{"dockwall.service", "dockwall-boot.service"} {
		wantState(t, m, "is-enabled", unit, "disabled")
		wantState(t, m, "is-active", unit, "inactive")
	}
}

// checkUnits has systemd judge the units that are installed.
func checkUnits(t *testing.T, m *boot.Machine) {
	t.Helper()
	for _, unit := range []string{"dockwall.service", "dockwall-boot.service", "dockwall-sets.service"} {
		if out, err := m.Try("systemd-analyze", "verify", "--man=no", unit); err != nil || strings.TrimSpace(out) != "" {
			t.Errorf("systemd-analyze verify %s: %v\n%s", unit, err, out)
		}
		out, err := m.Try("systemd-analyze", "security", "--threshold=25", unit)
		if err != nil {
			t.Errorf("systemd-analyze security %s is above 2.5: %v\n%s", unit, err, out)
		}
		t.Log(strings.TrimSpace(out[strings.LastIndex(strings.TrimSpace(out), "\n")+1:]))
	}
}

// checkSandbox looks at what the running daemon may do.
func checkSandbox(t *testing.T, m *boot.Machine) {
	t.Helper()
	pid := property(m, "dockwall.service", "MainPID")
	status := m.Shell("grep -E '^(Cap(Prm|Eff|Bnd)|NoNewPrivs|Seccomp):' /proc/" + pid + "/status | tr '\\t' ' '")
	want := "CapPrm: 0000000010003000\nCapEff: 0000000010003000\nCapBnd: 0000000010003000\nNoNewPrivs: 1\nSeccomp: 2\n"
	if diff := cmp.Diff(want, status); diff != "" {
		t.Errorf("agentd holds other rights than NET_ADMIN, NET_RAW and LEASE (-want +got):\n%s", diff)
	}
}

func sameRules(t *testing.T, m *boot.Machine, want string) {
	t.Helper()
	if diff := cmp.Diff(want, m.Save()); diff != "" {
		t.Errorf("the kernel's rules (-want +got):\n%s", diff)
	}
}

func wantState(t *testing.T, m *boot.Machine, question, unit, want string) {
	t.Helper()
	out, _ := m.Try("systemctl", question, unit)
	if got := strings.TrimSpace(out); got != want {
		t.Errorf("systemctl %s %s: %s, want %s", question, unit, got, want)
	}
}

// property is one of a unit's properties.
func property(m *boot.Machine, unit, name string) string {
	return strings.TrimSpace(m.Run("systemctl", "show", "--value", "--property="+name, unit))
}

// addresses are all ways to the containers.
func addresses(m *boot.Machine) []string {
	return []string{published, proxied, hostNet, fmt.Sprintf("%s:80", m.WebAddress())}
}
