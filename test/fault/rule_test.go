package fault_test

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// firewalldReload is what firewalld's nftables backend does to its own table.
const firewalldReload = `for i in 1 2 3; do
  nft delete table inet firewalld 2>/dev/null || true
  nft -f - <<END
table inet firewalld {
  chain filter_INPUT {
    type filter hook input priority 10; policy accept;
    ct state established,related accept
    tcp dport 22 accept
  }
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct state established,related accept
  }
}
END
done
nft delete table inet firewalld`

func ruleFaults() []fault {
	const soon = 5 * time.Second
	script := func(name string, full int, text string) fault {
		return fault{name: name, short: 2, full: full, limit: soon, do: func(g *ground, _ int) { g.Host("sh", "-ec", text) }}
	}
	return []fault{
		script("iptables-save \\| iptables-restore by another program", 50,
			"iptables-save | iptables-restore; ip6tables-save | ip6tables-restore"),
		{name: "another program restores what it saved before agentd started", short: 2, full: 20, limit: soon,
			prepare: func(g *ground) { g.saveWithout() },
			do:      func(g *ground, _ int) { g.Host("sh", "-ec", "iptables-restore </run/w4; ip6tables-restore </run/w6") }},
		{name: "fail2ban-like: chains put first into INPUT, FORWARD and DOCKER-USER, bans added", short: 2, full: 20, limit: soon,
			do: (*ground).ban, whole: (*ground).asTheFileSays, heal: (*ground).unban},
		script("iptables -F and -X as old scripts have it", 20,
			"for t in iptables ip6tables; do $t -F FORWARD; $t -F INPUT; $t -F DOCKER-USER || true; $t -X DOCKER-USER 2>/dev/null || true; done"),
		script("firewalld-like reload: its nftables table taken away and made again", 20, firewalldReload),
		{name: "netlink buffer full: 20,000 notifications while agentd is stopped, its jump removed among them", short: 1, full: 10,
			limit: soon, do: (*ground).overflow},
		{name: "agentd stopped for 3 s (SIGSTOP), its chains flushed during that time", short: 1, full: 5, limit: soon, do: (*ground).pause},
		{name: "a second agentd on the same host", short: 1, full: 20, limit: soon, do: (*ground).second},
		script("every table of iptables' emptied but nat, as firewalld does when it reloads", 20,
			"for v in iptables ip6tables; do for t in raw mangle security filter; do $v -t $t -F; $v -t $t -X; done; done"),
		{name: "nft flush ruleset", short: 2, full: 20, limit: soon,
			prepare: func(g *ground) {
				g.Host("sh", "-c", "iptables-save -t nat >/run/nat4; ip6tables-save -t nat >/run/nat6")
			},
			do: func(g *ground, _ int) { g.Host("nft", "flush", "ruleset") },
			// Docker does not put its own back; that is not what is tested here.
			heal: func(g *ground) { g.Host("sh", "-c", "iptables-restore </run/nat4; ip6tables-restore </run/nat6") }},
	}
}

// saveWithout keeps what the host's rules were without the agent.
func (g *ground) saveWithout() {
	g.t.Helper()
	g.Host("sh", "-ec", `for t in filter nat; do
  iptables-save -t $t | grep -vi dockwall >>/run/w4
  ip6tables-save -t $t | grep -vi dockwall >>/run/w6
done`)
}

// ban does what fail2ban does when a jail starts and bans.
func (g *ground) ban(i int) {
	g.Host("sh", "-ec", fmt.Sprintf(`for t in iptables ip6tables; do
  $t -N f2b-jail; $t -A f2b-jail -j RETURN
  for c in INPUT FORWARD DOCKER-USER; do $t -I $c -p tcp -j f2b-jail; done
done
iptables -I f2b-jail 1 -s 203.0.113.%d -j REJECT
ip6tables -I f2b-jail 1 -s 2001:db8:ffff::%d -j REJECT`, i+1, i+1))
}

// unban looks whether fail2ban's rules were left alone, and takes them away.
func (g *ground) unban() {
	for _, family := range []int{4, 6} {
		if got := strings.Count(g.Rules(family), "-j f2b-jail"); got != 3 {
			g.t.Errorf("of fail2ban's three jumps %d are there over IPv%d", got, family)
		}
	}
	g.Host("sh", "-ec", `for t in iptables ip6tables; do
  for c in INPUT FORWARD DOCKER-USER; do $t -D $c -p tcp -j f2b-jail; done
  $t -F f2b-jail; $t -X f2b-jail
done`)
	if _, err := until(5*time.Second, g.asTheFileSays); err != nil {
		g.t.Errorf("after fail2ban's rules: %v", err)
	}
	g.settled()
}

// overflow makes more notifications than any buffer holds while no reader reads
// them, and removes a jump in their midst.
func (g *ground) overflow(int) {
	g.t.Helper()
	g.agent.Signal(syscall.SIGSTOP)
	var batch strings.Builder
	batch.WriteString("add table ip noise\nadd chain ip noise c\n")
	for i := range 10_000 {
		fmt.Fprintf(&batch, "add rule ip noise c ip saddr 10.0.%d.%d counter\n", i>>8, i&255)
	}
	g.HostInput(batch.String(), "nft", "-f", "-")
	g.Host("sh", "-ec", "iptables -D FORWARD 1; ip6tables -D FORWARD 1")
	g.Host("sh", "-c", "nft flush chain ip noise c; nft delete table ip noise")
	g.agent.Signal(syscall.SIGCONT)
}

func (g *ground) pause(int) {
	g.t.Helper()
	g.agent.Signal(syscall.SIGSTOP)
	g.Host("sh", "-c", "iptables -F DOCKWALL-INPUT; ip6tables -F DOCKWALL-INPUT")
	time.Sleep(3 * time.Second) // it is the length of the stop
	g.agent.Signal(syscall.SIGCONT)
}

// second starts another agent, which has to say so, stop, and change nothing.
func (g *ground) second(int) {
	g.t.Helper()
	first, before, said := g.agent, g.Save(), len(g.agent.Log())
	second := g.LaunchAgentd(g.args...)
	_, err := until(10*time.Second, func() error {
		if second.Running() {
			return fmt.Errorf("it still runs")
		}
		return nil
	})
	if err != nil {
		g.t.Fatalf("the second agent: %v", err)
	}
	if log := first.Log()[said:]; !strings.Contains(log, "another agentd is running") {
		g.t.Errorf("the second agent did not say why it stopped:\n%s", log)
	}
	if !first.Running() {
		g.t.Error("the first agent has ended")
	}
	if diff := cmp.Diff(lab.Owned(before), lab.Owned(g.Save())); diff != "" {
		g.t.Errorf("the second agent changed rules (-before +after):\n%s", diff)
	}
}
