package e2e_test

import (
	"syscall"
	"testing"
	"time"

	"dockwall/test/lab"
)

// flushAll is what firewalld does when it starts, stops or reloads, whatever its
// own backend is: every table of iptables' is emptied, and what holds the fort
// between two flushes with it. Docker's nat rules are left, or nothing would be
// published.
const flushAll = "for v in iptables ip6tables; do for t in raw mangle security filter; do $v -t $t -F; $v -t $t -X; done; done"

// TestFlushOfEverything takes all of dockwall's rules away at once, again and
// again, also while the agent cannot put them back, under floods of every way to
// a container and to the engine's port. The latch holds.
func TestFlushOfEverything(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			oneByOne(t, wanted[:], func(t *testing.T, engine string) {
				l := lab.New(t, lab.Options{Engine: engine, Variant: variant})
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
				for range 5 {
					l.Host("sh", "-c", flushAll)
					time.Sleep(300 * time.Millisecond)
				}
				if variant == "nft" {
					for range 5 {
						l.Host("sh", "-c", "iptables-save -t nat >/run/nat4; ip6tables-save -t nat >/run/nat6; nft flush ruleset; iptables-restore </run/nat4; ip6tables-restore </run/nat6")
						time.Sleep(300 * time.Millisecond)
					}
				}
				must(t, l, wan, "web")
				agent.Signal(syscall.SIGSTOP)
				l.Host("sh", "-c", flushAll)
				time.Sleep(2 * time.Second)
				agent.Signal(syscall.SIGCONT)
				must(t, l, wan, "web")
				through(t, 0, floods...)
				agent.Stop()
				if out, _, _ := l.TryHost("nft", "list", "table", "inet", "dockwall"); out != "" {
					t.Errorf("the latch outlives its agent:\n%s", out)
				}
			})
		})
	}
}
