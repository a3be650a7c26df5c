package boot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"dockwall/test/boot"
)

func restarts(t *testing.T, m *boot.Machine) {
	floods := m.Flood(60*time.Second, addresses(m)...)
	m.Run("systemctl", "restart", "dockwall.service")
	pid := property(m, "dockwall.service", "MainPID")
	m.Run("kill", "-KILL", pid)
	waitNewPID(m, pid)
	m.Run("systemctl", "restart", "docker.service")
	m.WaitReaches(30*time.Second, office, published)
	m.Run("systemctl", "stop", "dockwall.service") // on_stop is keep
	m.WaitReaches(5*time.Second, office, published)
	m.Run("systemctl", "start", "dockwall.service")
	m.Stop(floods)
	enforcing(t, m)
}

// waitNewPID waits until another process than this one is the daemon, and ready.
func waitNewPID(m *boot.Machine, old string) {
	m.Until(30*time.Second, "another agentd", func() error {
		pid, state := property(m, "dockwall.service", "MainPID"), property(m, "dockwall.service", "ActiveState")
		if pid == "0" || pid == old || state != "active" {
			return fmt.Errorf("process %s, %s", pid, state)
		}
		return nil
	})
}

func reloads(t *testing.T, m *boot.Machine) {
	pid := property(m, "dockwall.service", "MainPID")
	m.Write("/etc/dockwall/agent.hcl", "published \"office\" {\n  from = [addresses.nobody]\n}\n")
	if out, err := m.Try("systemctl", "reload", "dockwall.service"); err == nil {
		t.Errorf("systemctl reload succeeded with a bad file: %s", out)
	}
	for _, to := range []string{published, hostNet} {
		if ok, class := m.Reaches(office, to); !ok {
			t.Errorf("after a bad file the office does not reach %s any more: %s", to, class)
		}
	}
	m.Write("/etc/dockwall/agent.hcl", officeOnly+"log { level = \"debug\" }\n")
	m.Run("systemctl", "reload", "dockwall.service")
	enforcing(t, m)
	if now := property(m, "dockwall.service", "MainPID"); now != pid {
		t.Errorf("reloading replaced process %s by %s", pid, now)
	}
}

// watchdog stops the daemon as a hang would; the time is shortened so that the
// test need not wait for it.
func watchdog(t *testing.T, m *boot.Machine) {
	const dropIns = "/etc/systemd/system/dockwall.service.d"
	m.Write(dropIns+"/soon.conf", "[Service]\nWatchdogSec=2\n")
	m.Run("systemctl", "daemon-reload")
	m.Run("systemctl", "restart", "dockwall.service")
	pid := property(m, "dockwall.service", "MainPID")
	// It is fed for longer than it would live without.
	time.Sleep(5 * time.Second)
	if now := property(m, "dockwall.service", "MainPID"); now != pid {
		t.Errorf("the watchdog killed a daemon that works")
	}
	m.Run("kill", "-STOP", pid)
	waitNewPID(m, pid)
	m.Run("rm", "-r", dropIns)
	m.Run("systemctl", "daemon-reload")
	m.Run("systemctl", "restart", "dockwall.service")
	enforcing(t, m)
}

// upgrades does so with on_stop = "remove", under which stopping the old
// version would open everything.
func upgrades(t *testing.T, m *boot.Machine, newer string) {
	m.Write("/etc/dockwall/agent.hcl", officeOnly+"firewall { on_stop = \"remove\" }\n")
	m.Run("systemctl", "reload", "dockwall.service")
	pid := property(m, "dockwall.service", "MainPID")
	began := property(m, "dockwall-boot.service", "InactiveExitTimestampMonotonic")
	floods := m.Flood(60*time.Second, addresses(m)...)
	m.Install(newer)
	waitNewPID(m, pid)
	m.Stop(floods)
	enforcing(t, m)
	if now := property(m, "dockwall-boot.service", "InactiveExitTimestampMonotonic"); now != began {
		t.Errorf("the upgrade ran the boot unit again")
	}
	if got := m.Run("cat", "/etc/dockwall/agent.hcl"); got != officeOnly+"firewall { on_stop = \"remove\" }\n" {
		t.Errorf("the upgrade replaced the operator's file:\n%s", got)
	}
	m.Write("/etc/dockwall/agent.hcl", officeOnly)
	m.Run("systemctl", "reload", "dockwall.service")
}

// coldBoot boots under a flood of every way to the containers, which Docker
// starts by itself.
func coldBoot(t *testing.T, m *boot.Machine) {
	m.Wire()
	floods := m.Flood(60*time.Second, published, proxied, hostNet, "172.17.0.2:80")
	m.PowerOn()
	m.WaitBooted()
	enforcing(t, m)
	time.Sleep(time.Second) // and some more tries against what runs now
	m.Stop(floods)
	wantState(t, m, "is-active", "dockwall-boot.service", "active")
	bootOrder(t, m)
	if out := m.Run("journalctl", "-b", "-o", "cat", "--no-pager", "-u", "dockwall-boot.service"); strings.Contains(out, "Docker does not answer") {
		t.Errorf("the boot unit waited for Docker:\n%s", out)
	}
}

// bootOrder looks whether the rules were in force before Docker started.
func bootOrder(t *testing.T, m *boot.Machine) {
	t.Helper()
	if out := m.Shell("journalctl -b -o cat --no-pager | grep -i 'ordering cycle' || true"); out != "" {
		t.Errorf("the units' order is a circle:\n%s", out)
	}
	at := func(unit, property_ string) int {
		var n int
		if _, err := fmt.Sscan(property(m, unit, property_), &n); err != nil || n == 0 {
			t.Errorf("%s: no %s", unit, property_)
		}
		return n
	}
	docker := at("docker.service", "InactiveExitTimestampMonotonic")
	for _, unit := range []string{"dockwall-boot.service", "dockwall.service"} {
		if ready := at(unit, "ActiveEnterTimestampMonotonic"); ready > docker {
			t.Errorf("%s was ready %d µs after Docker began to start", unit, ready-docker)
		}
	}
}

// badFileAtBoot boots with a file that is no good: the last good policy holds.
func badFileAtBoot(t *testing.T, m *boot.Machine) {
	m.Write("/etc/dockwall/agent.hcl", "published {\n")
	m.PowerOff()
	m.Wire()
	floods := m.Flood(60*time.Second, published, proxied, hostNet, "172.17.0.2:80")
	m.PowerOn()
	m.WaitBooted()
	for _, to := range []string{published, hostNet} {
		m.WaitReaches(20*time.Second, office, to)
	}
	m.Stop(floods)
	wantState(t, m, "is-active", "dockwall-boot.service", "active") // Docker may require it
	m.Write("/etc/dockwall/agent.hcl", officeOnly)
	m.Until(20*time.Second, "the good file to be taken", func() error {
		_, err := m.Try("agentctl", "status")
		return err
	})
}

func removal(t *testing.T, m *boot.Machine, before string) {
	m.Run("dpkg", "-r", "dockwall")
	m.Run("systemctl", "is-active", "docker.service")
	sameRules(t, m, before)
	m.WaitReaches(5*time.Second, stranger, published)
	if out := m.Run("cat", "/etc/dockwall/agent.hcl"); out != officeOnly {
		t.Errorf("removing the package changed the operator's file:\n%s", out)
	}
	m.Run("dpkg", "-P", "dockwall")
	left := m.Shell(`find / -xdev \( -path /proc -o -path /sys -o -path /root -o -path /var/log \) -prune -o \( -name '*dockwall*' -o -name 'agentd*' -o -name 'agentctl*' \) -print`)
	if left != "" {
		t.Errorf("purging left:\n%s", left)
	}
	m.PowerOff()
	// The flood that found nothing open before finds everything open now.
	m.Wire()
	floods := m.Flood(60*time.Second, published, proxied, hostNet, "172.17.0.2:80")
	m.PowerOn()
	m.WaitBooted()
	for _, to := range []string{published, hostNet, "172.17.0.2:80"} {
		m.WaitReaches(30*time.Second, stranger, to)
	}
	time.Sleep(time.Second) // as long as the flood of a closed host goes on
	for i, r := range m.Tally(floods) {
		t.Logf("flood %d without dockwall: %d tried, %d through (%v)", i, r.Tried, r.OK, r.Classes)
		if r.OK == 0 {
			t.Errorf("flood %d of a host without dockwall got nothing through: it would not notice a gap", i)
		}
	}
	if out, err := m.Try("sh", "-c", "systemctl --no-legend list-units --all 'dockwall*'"); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("after the purge systemd knows: %v\n%s", errors.Join(err), out)
	}
}
