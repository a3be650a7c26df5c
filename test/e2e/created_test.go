package e2e_test

import (
	"testing"
	"time"

	"dockwall/test/lab"
)

// TestServiceBesideACreatedContainer restarts a service of the host whose port
// containers want that were created and never started, one of them every port
// there is. While the service is away the port is closed; when it is back, it is
// reached within a second. A container that gets the port in the meantime is
// closed to those that no policy names from its first packet on.
func TestServiceBesideACreatedContainer(t *testing.T) {
	oneByOne(t, outer, func(t *testing.T, engine string) {
		for name, publish := range map[string]string{"one port": "22:22", "all ports": "1-65535:1-65535"} {
			t.Run(name, func(t *testing.T) {
				l := lab.New(t, lab.Options{Engine: engine})
				sshd := l.Client("host").Service("sshd", "tcp:22,udp:22")
				a := l.Agentd(onlyWan)
				wanting := l.CreateContainer(lab.Spec{Name: "wanting", Publish: []string{publish}})
				wan2 := l.Client("wan2")
				ways := func() (asks []lab.Ask) {
					for _, family := range []int{4, 6} {
						asks = append(asks, lab.Ask{From: wan2, Proto: "tcp", Addr: l.HostAddr("eth0", family), Port: 22})
					}
					return asks
				}
				for _, ask := range ways() {
					must(t, l, ask, "sshd")
				}
				for i := range 3 {
					sshd.Stop()
					// The port is closed for the container: nothing answers, not even the kernel.
					for _, ask := range ways() {
						closed(t, l, ask)
					}
					sshd = l.Client("host").Service("sshd", "tcp:22,udp:22")
					back := time.Now()
					for _, ask := range ways() {
						must(t, l, ask, "sshd")
					}
					t.Logf("restart %d: reached after %v", i+1, time.Since(back))
				}
				wanting.Remove()
				sshd.Stop()
				container := l.CreateContainer(lab.Spec{Name: "wanting", Publish: []string{"22:80"}})
				for _, ask := range ways() {
					closed(t, l, ask)
				}
				floods := []*lab.Flood{wan2.Flood("tcp", l.HostAddr("eth0", 4), 22, gentleOnes), wan2.Flood("tcp", l.HostAddr("eth0", 6), 22, gentleOnes)}
				for range 3 {
					l.Docker("start", container.ID)
					l.Docker("stop", "--time", "0", container.ID)
				}
				through(t, 0, floods...)
				if t.Failed() {
					t.Logf("agentd:\n%s", a.Log())
				}
			})
		}
	})
}

// closed waits until packets to the port are dropped: where nothing listens and no
// rule drops, the kernel refuses.
func closed(t *testing.T, l *lab.Lab, ask lab.Ask) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		r := ask.From.Dial(ask.Proto, ask.Addr, ask.Port)
		if r.Class == "timeout" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: want no answer, got %s", ask, r)
		}
	}
}
