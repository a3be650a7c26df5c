package e2e_test

import (
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// TestNFTablesUnderFlood has other programs flush everything, the agent killed and started
// again, and the backend changed in both directions, under floods of every way to a
// container and to the engine's port. Nothing opens.
func TestNFTablesUnderFlood(t *testing.T) {
	l := lab.New(t, lab.Options{Engine: wanted[len(wanted)-1], Backend: "nftables"})
	net := six(l, 1)
	web := l.RunContainer(lab.Spec{Name: "web", Network: net, Publish: []string{"8080:80"}})
	l.Client("host").Serve("api", "tcp:2375")
	agent := l.Agentd(onlyWan)
	wan := lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}
	must(t, l, wan, "web")
	var floods []*lab.Flood
	for _, family := range []int{4, 6} {
		stranger := l.Client("wan2")
		floods = append(floods, stranger.Flood("tcp", l.HostAddr("eth0", family), 8080, floodFor),
			stranger.Flood("tcp", web.Addr(net, family), 80, floodFor), stranger.Flood("tcp", l.HostAddr("eth0", family), 2375, floodFor))
	}
	holds := func(what string) {
		t.Helper()
		if out, _, code := l.TryHost("nft", "list", "table", "inet", "dockwall"); code != 0 || !strings.Contains(out, "DOCKWALL-") {
			t.Errorf("%s: the policy is\n%s", what, out)
		}
	}
	for range 3 {
		l.Host("sh", "-c", flushAll)
		l.Host("sh", "-c", "iptables-save -t nat >/run/nat4; ip6tables-save -t nat >/run/nat6; nft flush ruleset; iptables-restore </run/nat4; ip6tables-restore </run/nat6")
		holds("flushed")
		time.Sleep(100 * time.Millisecond)
	}
	for range 3 {
		agent.Kill()
		holds("killed")
		agent = l.LaunchAgentd()
		agent.WaitState("enforcing")
	}
	must(t, l, wan, "web")
	l.WriteConfig(onlyWan + "firewall {\n  backend = \"iptables-nft\"\n}\n")
	waitFor(t, "iptables", func() bool {
		out, _, _ := l.TryHost("nft", "list", "ruleset")
		return strings.Contains(out, "table ip filter") && strings.Contains(out, "DOCKWALL-INPUT") && !strings.Contains(out, "hook forward priority filter - 1")
	})
	must(t, l, wan, "web")
	l.WriteConfig(onlyWan)
	waitFor(t, "nftables", func() bool {
		out, _, _ := l.TryHost("iptables-save")
		return !strings.Contains(out, "DOCKWALL")
	})
	holds("back")
	must(t, l, wan, "web")
	through(t, 0, floods...)
	agent.Stop()
	if _, _, code := l.Agentctl("remove"); code != 0 {
		t.Errorf("agentctl remove: exit code %d", code)
	}
	if out, _, _ := l.TryHost("nft", "list", "tables"); strings.Contains(out, "dockwall") {
		t.Errorf("after remove there are\n%s", out)
	}
}

// waitFor waits until it is so.
func waitFor(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 100 {
		if is() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("it does not come to %s", what)
}
