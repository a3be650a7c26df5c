package e2e_test

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"dockwall/test/lab"
)

// guarded is a policy whose every kind of set refuses something.
const guarded = `containers "jail" { names = ["jail"] }
containers "web"  { names = ["web"] }
defaults {
  published = "allow"
  between   = "allow"
}
network "shut" {
  published = "deny"
  between   = "deny"
}
published "web" {
  to   = [containers.web]
  from = ["192.0.2.10"]
}
egress "jail" {
  from  = [containers.jail]
  to    = ["192.0.2.20"]
}
host "jail" {
  from  = [containers.jail]
  ports = ["53"]
}
`

// TestEmptiedSets has another program empty one set after the other, and all at
// once, while the agent cannot put them back. What was refused stays refused: by
// DNAT and by docker-proxy, which serves IPv6 here for a container that has none.
func TestEmptiedSets(t *testing.T) {
	oneByOne(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.Docker("network", "create", "--subnet", "172.30.9.0/24", "shut")
		l.Docker("network", "create", "--subnet", "172.30.10.0/24", "free")
		l.RunContainer(lab.Spec{Name: "web", Network: "shut", Publish: []string{"8080:80", "8080:80/udp"}})
		jail := l.RunContainer(lab.Spec{Name: "jail", Network: "free"}).Client()
		other := l.RunContainer(lab.Spec{Name: "other", Network: "free"}).Client()
		l.Client("host").Serve("host", "tcp:7000")
		l.Client("wan").Serve("wan", "tcp:7000,udp:7000")
		agent := l.Agentd(guarded)
		four, six := l.HostAddr("eth0", 4), l.HostAddr("eth0", 6)
		stranger := l.Client("wan2")
		refused := []lab.Ask{
			{From: stranger, Proto: "tcp", Addr: four, Port: 8080}, {From: stranger, Proto: "tcp", Addr: six, Port: 8080},
			{From: stranger, Proto: "udp", Addr: four, Port: 8080}, {From: stranger, Proto: "udp", Addr: six, Port: 8080},
			{From: other, Proto: "tcp", Addr: four, Port: 8080},
			{From: jail, Proto: "tcp", Addr: l.ClientAddr("wan", 4), Port: 7000},
			{From: jail, Proto: "udp", Addr: l.ClientAddr("wan", 4), Port: 7000},
			{From: jail, Proto: "tcp", Addr: four, Port: 7000},
		}
		must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: four, Port: 8080}, "web")
		must(t, l, lab.Ask{From: other, Proto: "tcp", Addr: four, Port: 7000}, "host")
		closed := func(when string) {
			t.Helper()
			for i, r := range l.DialAll(refused) {
				if r.OK {
					t.Errorf("%s: %s gets through: %s", when, refused[i], r)
				}
			}
		}
		closed("before")
		agent.Signal(syscall.SIGSTOP)
		l.Host("sh", "-c", "ipset save >/run/sets")
		for _, set := range strings.Fields(l.Host("ipset", "list", "-n")) {
			l.Host("ipset", "flush", set)
			closed(set + " is empty")
			l.Host("sh", "-c", "grep '^add "+set+" ' /run/sets | ipset restore -exist")
		}
		l.Host("ipset", "flush")
		closed("all sets are empty")
		agent.Signal(syscall.SIGCONT)
		must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: four, Port: 8080}, "web")

		var floods []*lab.Flood
		for _, ask := range refused[:4] {
			floods = append(floods, ask.From.Flood(ask.Proto, ask.Addr, ask.Port, floodFor))
		}
		for range 4 {
			l.Host("ipset", "flush")
			time.Sleep(700 * time.Millisecond)
		}
		through(t, 0, floods...)
	})
}
