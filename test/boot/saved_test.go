package boot_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dockwall/test/boot"
)

// saveNFT is the command for nftables.conf in packaging/doc/other-firewalls.md.
const saveNFT = `{ echo 'flush ruleset'; nft list ruleset | awk '
    /^table [a-z0-9]+ dockwall/ { table = 1 } /^\tchain DOCKWALL-/ { chain = 1 }
    !table && !chain && !/DOCKWALL-/
    /^\t}/ { chain = 0 } /^}/ { table = 0 }'; } > /etc/nftables.conf
nft --check --file /etc/nftables.conf`

// savedRules boots hosts whose rules were saved while dockwall was there: their own rules
// are in force, and nothing is open on the way.
func savedRules(t *testing.T, deb string) {
	m := boot.New(t)
	persistent := func(state string) {
		t.Helper()
		wantState(t, m, "is-active", "netfilter-persistent.service", state)
		if got := strings.Contains(m.Run("iptables-save"), "--dport 2222 "); got != (state == "active") {
			t.Errorf("the host's own rule is there: %t", got)
		}
	}
	live(t, m, []step{
		{"a host with Docker and dockwall", func(t *testing.T, m *boot.Machine) {
			m.Boot()
			m.StartDocker()
			m.StartContainers()
			m.Install(deb)
			m.Write("/etc/dockwall/agent.hcl", officeOnly)
			m.Run("systemctl", "enable", "--now", "dockwall.service")
			enforcing(t, m)
			m.Shell("iptables -A INPUT -p tcp --dport 2222 -j DROP; ip6tables -A INPUT -p tcp --dport 2222 -j DROP; nft add table inet own")
		}},
		{"saved with dockwall's rules", func(t *testing.T, m *boot.Machine) {
			m.Write("/etc/systemd/system/netfilter-persistent.service", netfilterPersistent)
			m.Shell("mkdir -p /etc/iptables && iptables-save > /etc/iptables/rules.v4 && ip6tables-save > /etc/iptables/rules.v6")
			m.Run("systemctl", "enable", "netfilter-persistent.service")
			// Another list has a set of another name: what the file names is never made again.
			m.Write("/etc/dockwall/agent.hcl", strings.Replace(officeOnly, `"192.0.2.11",`, `"192.0.2.11", "198.51.100.0/24",`, 1))
			m.Until(10*time.Second, "the new list", func() error {
				out, err := m.Try("agentctl", "diff")
				if err != nil {
					return fmt.Errorf("agentctl diff: %w\n%s", err, out)
				}
				return nil
			})
			if out, err := m.Try("iptables-restore", "--test", "/etc/iptables/rules.v4"); err == nil {
				t.Errorf("the sets that were saved are all there, which shows nothing: %s", out)
			}
			if out := m.Run("agentctl", "check"); !strings.Contains(out, "/etc/iptables/rules.v4, line ") {
				t.Errorf("check does not warn:\n%s", out)
			}
			m.PowerOff()
			coldBoot(t, m)
			persistent("active")
			wantState(t, m, "is-active", "dockwall-sets.service", "active")
			if out := m.Run("journalctl", "-b", "-o", "cat", "--no-pager", "-u", "dockwall-sets.service"); !strings.Contains(out, "empty sets") {
				t.Errorf("the unit says:\n%s", out)
			}
			if out, err := m.Try("agentctl", "diff"); err != nil {
				t.Errorf("agentctl diff: %v\n%s", err, out)
			}
		}},
		{"without the sets none of it is loaded", func(t *testing.T, m *boot.Machine) {
			m.Run("systemctl", "mask", "dockwall-sets.service")
			m.PowerOff()
			coldBoot(t, m)
			persistent("failed")
			m.Shell("systemctl unmask dockwall-sets.service && systemctl disable netfilter-persistent.service")
		}},
		{"nftables as the manual says", func(t *testing.T, m *boot.Machine) {
			m.Shell("nft list ruleset > /etc/nftables.conf; nft add table inet own")
			if out := m.Run("agentctl", "check"); !strings.Contains(out, "/etc/nftables.conf, line ") {
				t.Errorf("check does not warn:\n%s", out)
			}
			m.Shell(saveNFT)
			if out := m.Run("agentctl", "check"); strings.Contains(out, "/etc/nftables.conf, line ") {
				t.Errorf("check warns of what the manual's command saved:\n%s", out)
			}
			m.Run("systemctl", "enable", "nftables.service")
			m.PowerOff()
			coldBoot(t, m)
			wantState(t, m, "is-active", "nftables.service", "active")
			if out := m.Run("nft", "list", "tables"); !strings.Contains(out, "table inet own\n") {
				t.Errorf("the host's own table is not there:\n%s", out)
			}
		}},
		{"removing warns", func(t *testing.T, m *boot.Machine) {
			if out := m.Run("dpkg", "-r", "dockwall"); !strings.Contains(out, "Warning: /etc/iptables/rules.v4, line ") {
				t.Errorf("removing the package says:\n%s", out)
			}
			wantState(t, m, "is-active", "dockwall-sets.service", "inactive")
			wantState(t, m, "is-active", "docker.service", "active")
		}},
	})
}
