package boot_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"dockwall/test/boot"
)

// failClosed is the link that agentd(8) tells to make.
const failClosed = "mkdir -p /etc/systemd/system/docker.service.d && " +
	"ln -s /usr/share/dockwall/fail-closed.conf /etc/systemd/system/docker.service.d/dockwall.conf && systemctl daemon-reload"

// failing is what Docker does where the rules cannot be put in force: a bad
// file, and no last good policy.
func failing(t *testing.T, deb string) {
	m := boot.New(t)
	live(t, m, []step{
		{"a host with Docker", func(t *testing.T, m *boot.Machine) {
			m.Boot()
			m.StartDocker()
			m.Install(deb)
			m.Run("systemctl", "enable", "dockwall.service")
			m.Write("/etc/dockwall/agent.hcl", "published {\n")
		}},
		{"fail open", func(t *testing.T, m *boot.Machine) {
			reboot(m)
			wantState(t, m, "is-active", "dockwall-boot.service", "failed")
			wantState(t, m, "is-active", "docker.service", "active")
		}},
		{"fail closed", func(t *testing.T, m *boot.Machine) {
			m.Shell(failClosed)
			reboot(m)
			wantState(t, m, "is-active", "docker.service", "inactive")
			m.Write("/etc/dockwall/agent.hcl", officeOnly)
			m.Run("systemctl", "start", "docker.service")
			wantState(t, m, "is-active", "dockwall-boot.service", "active")
		}},
		{"the manual's commands for TLS", tlsByTheManual},
		{"the daemon's restart and the package's removal leave Docker alone", func(t *testing.T, m *boot.Machine) {
			pid := property(m, "docker.service", "MainPID")
			m.Run("systemctl", "restart", "dockwall.service")
			m.Run("dpkg", "-r", "dockwall")
			if now := property(m, "docker.service", "MainPID"); now != pid {
				t.Errorf("Docker's process was %s and is %s", pid, now)
			}
			m.Run("systemctl", "restart", "docker.service")
			if out, err := m.Try("ls", "/etc/systemd/system/docker.service.d"); err == nil {
				t.Errorf("the link to the package's drop-in is still there: %s", out)
			}
		}},
	})
}

func reboot(m *boot.Machine) {
	m.PowerOff()
	m.Boot()
}

// otherFirewalls boots beside each firewall, and has it reload: both flush
// something on the way.
func otherFirewalls(t *testing.T, deb string) {
	m := boot.New(t)
	live(t, m, []step{
		{"a host with Docker and dockwall", func(t *testing.T, m *boot.Machine) {
			m.Boot()
			m.StartDocker()
			m.StartContainers()
			m.Install(deb)
			m.Write("/etc/dockwall/agent.hcl", officeOnly)
			m.Run("systemctl", "enable", "--now", "dockwall.service")
			enforcing(t, m)
		}},
		{"ufw", func(t *testing.T, m *boot.Machine) {
			underFire(t, m, "ufw --force enable && ufw allow 8081/tcp && ufw allow 8080/tcp", "ufw reload")
			m.Run("systemctl", "enable", "ufw.service")
			beside(t, m, "ufw.service", "ufw reload", "ufw-user-input")
			m.Shell("ufw --force disable && systemctl disable ufw.service")
		}},
		{"nftables", func(t *testing.T, m *boot.Machine) {
			m.Write("/etc/nftables.conf", "#!/usr/sbin/nft -f\nflush ruleset\ntable inet own {\n  chain own_input {\n    type filter hook input priority 0;\n  }\n}\n")
			m.Run("systemctl", "enable", "nftables.service")
			beside(t, m, "nftables.service", "systemctl restart nftables.service && systemctl restart docker.service", "own_input")
			m.Run("systemctl", "disable", "nftables.service")
		}},
		{"netfilter-persistent", func(t *testing.T, m *boot.Machine) {
			// ufw and it cannot both be installed, so the unit is written as Debian has it.
			m.Write("/etc/systemd/system/netfilter-persistent.service", netfilterPersistent)
			m.Shell("mkdir -p /etc/iptables && iptables -N own_persistent")
			m.Shell("iptables-save | grep -vi dockwall > /etc/iptables/rules.v4") // as the manual says
			m.Shell("ip6tables-save | grep -vi dockwall > /etc/iptables/rules.v6")
			m.Run("systemctl", "enable", "netfilter-persistent.service")
			beside(t, m, "netfilter-persistent.service", "systemctl restart netfilter-persistent.service", "own_persistent")
			m.Run("systemctl", "disable", "netfilter-persistent.service")
		}},
		{"firewalld", func(t *testing.T, m *boot.Machine) {
			// In the zone trusted it refuses nothing, so what is refused dockwall refuses.
			m.Run("firewall-offline-cmd", "--set-default-zone=trusted")
			m.Run("systemctl", "enable", "firewalld.service")
			beside(t, m, "firewalld.service", "firewall-cmd --reload", "table inet firewalld")
			firewalldUnderFire(t, m)
			firewalldReloads(t, m)
		}},
	})
}

// netfilterPersistent restores what was saved: Docker's old rules, without the
// sets that dockwall's would need.
const netfilterPersistent = `[Unit]
DefaultDependencies=no
Wants=network-pre.target systemd-modules-load.service local-fs.target
Before=network-pre.target shutdown.target
After=systemd-modules-load.service local-fs.target
Conflicts=shutdown.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/iptables-restore /etc/iptables/rules.v4
ExecStart=/usr/sbin/ip6tables-restore /etc/iptables/rules.v6
[Install]
WantedBy=multi-user.target
`

// firewalldUnderFire has firewalld reload in a burst, and wholly, with either of
// its backends. Each time it empties every table of iptables' and writes its own
// again, and Docker then writes its own. The latch holds the ways to containers; what
// a container on the host's own network listens on it cannot hold.
func firewalldUnderFire(t *testing.T, m *boot.Machine) {
	t.Helper()
	floods := m.Flood(120*time.Second, published, proxied, "172.17.0.2:80")
	for _, backend := range []string{"nftables", "iptables"} {
		m.Shell("sed -i 's/^FirewallBackend=.*/FirewallBackend=" + backend + "/' /etc/firewalld/firewalld.conf")
		reloadFirewalld(t, m, "--complete-reload")
		for range 6 {
			reloadFirewalld(t, m, "--reload")
		}
		m.Until(5*time.Second, "dockwall's rules after firewalld's reloads", func() error {
			out, err := m.Try("agentctl", "diff")
			if err != nil {
				return fmt.Errorf("agentctl diff: %w\n%s", err, out)
			}
			return nil
		})
		m.WaitReaches(10*time.Second, office, published)
	}
	m.Stop(floods)
	enforcing(t, m)
}

// reloadFirewalld has firewalld reload, and once more where it says that it could
// not: with its iptables backend and iptables 1.8.9, one of some hundred reloads in a
// burst ends with chains of its own that iptables-restore does not find.
func reloadFirewalld(t *testing.T, m *boot.Machine, how string) {
	t.Helper()
	if out, err := m.Try("firewall-cmd", how); err != nil {
		t.Logf("firewall-cmd %s: %v\n%s", how, err, out)
		m.Run("firewall-cmd", how)
	}
}

// firewalldReloads looks whether dockwall is reloaded with firewalld's unit.
func firewalldReloads(t *testing.T, m *boot.Machine) {
	t.Helper()
	pid := property(m, "dockwall.service", "MainPID")
	m.Write("/etc/dockwall/agent.hcl", officeOnly+"log { level = \"debug\" }\n")
	m.Run("systemctl", "reload", "firewalld.service")
	m.Until(20*time.Second, "dockwall's reload", func() error {
		if out := m.Run("journalctl", "-b", "-o", "cat", "--no-pager", "-u", "dockwall.service"); !strings.Contains(out, "Reloaded dockwall.service") {
			return errors.New("systemd has not reloaded it") // its log is in what is dumped
		}
		return nil
	})
	enforcing(t, m)
	if now := property(m, "dockwall.service", "MainPID"); now != pid {
		t.Errorf("firewalld's reload replaced process %s by %s", pid, now)
	}
}

// underFire enables a firewall and has it reload five times, while a stranger
// floods every way to the containers.
func underFire(t *testing.T, m *boot.Machine, enable, reload string) {
	t.Helper()
	floods := m.Flood(60*time.Second, addresses(m)...)
	m.Shell(enable)
	for range 5 {
		m.Shell(reload)
	}
	m.Stop(floods)
	enforcing(t, m)
}

// beside boots with the firewall's unit enabled, looks whether both are in
// force, and again after the firewall's reload. own is a chain of its own.
func beside(t *testing.T, m *boot.Machine, unit, reload, own string) {
	t.Helper()
	m.PowerOff()
	coldBoot(t, m)
	inForce := func() {
		t.Helper()
		m.Until(20*time.Second, "dockwall's rules beside "+unit, func() error {
			if out, err := m.Try("agentctl", "diff"); err != nil {
				return fmt.Errorf("agentctl diff: %w\n%s", err, out)
			}
			return nil
		})
		if out := m.Run("nft", "list", "ruleset"); !strings.Contains(out, own) {
			t.Errorf("%s: its chain %s is not there", unit, own)
		}
	}
	wantState(t, m, "is-active", unit, "active")
	inForce()
	m.Shell(reload)
	inForce()
	enforcing(t, m)
}
