package e2e_test

import (
	"testing"

	"dockwall/test/lab"
)

// TestStartsWhileTheAgentIsAway starts containers, on the default network and on
// one that is new as well, while the agent is frozen or dead, under the floods of
// a client that no policy names: what the rules do not know is closed by every
// way in, docker-proxy's too. Those that the host knew before go on, and once the
// agent is back everybody reaches what he may.
func TestStartsWhileTheAgentIsAway(t *testing.T) {
	onEngines(t, wanted[:], func(t *testing.T, engine string) {
		for name, away := range absences("frozen", "killed") {
			t.Run(name, func(t *testing.T) {
				l := lab.New(t, lab.Options{Engine: engine})
				a := l.Agentd(onlyWanToFriend)
				before := l.RunContainer(lab.Spec{Name: "friend", Publish: []string{"8000:80"}})
				host, wan := l.Client("host"), l.Client("wan")
				ways := func(from *lab.Client, port uint16) (asks []lab.Ask) {
					for _, family := range []int{4, 6} {
						asks = append(asks, lab.Ask{From: from, Proto: "tcp", Addr: l.HostAddr("eth0", family), Port: port})
					}
					return asks
				}
				for _, ask := range append(ways(wan, 8000), ways(host, 8000)...) {
					must(t, l, ask, "friend")
				}
				away.leave(l, a)
				var floods []*lab.Flood
				for _, port := range []uint16{8001, 8002, 8003} {
					for _, ask := range ways(l.Client("wan2"), port) {
						floods = append(floods, ask.From.Flood("tcp", ask.Addr, port, gentleOnes))
					}
				}
				l.RunContainer(lab.Spec{Name: "stranger", Publish: []string{"8001:80"}})
				late := l.RunContainer(lab.Spec{Name: "friend-late", Publish: []string{"8002:80"}})
				l.Docker("network", "create", "--opt", "com.docker.network.bridge.name=odd0", "odd")
				l.RunContainer(lab.Spec{Name: "friend-odd", Network: "odd", Publish: []string{"8003:80"}})
				if r := host.Dial("tcp", late.Addr("bridge", 4), 80); r.OK {
					t.Errorf("the host reaches a container that nobody knows yet: %s", r)
				}
				for _, ask := range append(ways(wan, 8000), ways(host, 8000)...) {
					must(t, l, ask, "friend")
				}
				must(t, l, lab.Ask{From: host, Proto: "tcp", Addr: before.Addr("bridge", 4), Port: 80}, "friend")
				away.back(l, a)
				for _, from := range []*lab.Client{wan, host} {
					for port, want := range map[uint16]string{8002: "friend-late", 8003: "friend-odd"} {
						for _, ask := range ways(from, port) {
							must(t, l, ask, want)
						}
					}
				}
				must(t, l, lab.Ask{From: host, Proto: "tcp", Addr: late.Addr("bridge", 4), Port: 80}, "friend-late")
				through(t, 0, floods...)
			})
		}
	})
}
