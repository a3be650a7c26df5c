package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/test/lab"
)

// proxyOf22 are the arguments of a docker-proxy that serves the host's SSH port.
var proxyOf22 = []string{"-proto", "tcp", "-host-ip", "0.0.0.0", "-host-port", "22", "-container-ip", "172.17.0.9", "-container-port", "22"}

// TestProcessesThatLie runs containers on the host's network that call themselves
// docker-proxy and dockerd, with arguments that name the host's own ports, and
// configuration files that have no end. The host's services stay reachable, the
// agent starts, and what the real engine publishes and listens on stays closed.
func TestProcessesThatLie(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine, Args: []string{"-H", "unix:///var/run/docker.sock", "-H", "tcp://[::]:4243", "--tls=false"}})
		l.Client("host").Serve("sshd", "tcp:22,tcp:23")
		l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
		l.RunContainer(lab.Spec{Name: "picked", Publish: []string{"80"}})
		a := l.Agentd(onlyWan)
		_, port, _ := strings.Cut(strings.Split(l.Docker("port", "picked", "80"), "\n")[0], ":")
		t.Logf("Docker has picked port %s", port)
		truth := func(when string) {
			t.Helper()
			var asks []lab.Ask
			for range 3 {
				for _, p := range []uint16{22, 23, 8080, 4243} {
					for _, family := range []int{4, 6} {
						asks = append(asks, lab.Ask{From: l.Client("wan2"), Proto: "tcp", Addr: l.HostAddr("eth0", family), Port: p})
					}
				}
			}
			for i, r := range l.DialAll(asks) {
				want := "sshd"
				if asks[i].Port > 1000 {
					want = ""
				}
				if r.Server() != want || want == "" && r.Class != "timeout" {
					t.Errorf("%s: %s: want %q, got %s", when, asks[i], want, r)
				}
			}
			must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "web")
		}
		truth("before")
		lie(l, "proxy", []string{"--network", "host", "--cap-drop", "ALL"}, append([]string{"docker-proxy", "--"}, proxyOf22...))
		lie(l, "proxy-pid", []string{"--network", "host", "--pid", "host"}, append([]string{"docker-proxy", "--"}, proxyOf22...))
		lie(l, "dockerd", []string{"--network", "host", "--cap-drop", "ALL"}, []string{"dockerd", "--", "-H", "tcp://0.0.0.0:23", "-H", "tcp://[::]:22"})
		lie(l, "dockerd-pid", []string{"--network", "host", "--pid", "host"}, []string{"dockerd", "--", "-H", "tcp://[::]:23"})
		truth("while they lie")
		a.Stop()
		fifo := filepath.Join(l.Dir(), "run", "fifo")
		l.Host("mkfifo", "/run/fifo")
		if _, err := os.Stat(fifo); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/run/fifo", "/dev/zero"} {
			name := strings.ReplaceAll(path[1:], "/", "-")
			lie(l, name, []string{"--network", "host", "--cap-drop", "ALL"}, []string{"dockerd", "--", "--config-file", path})
			lie(l, name+"-pid", []string{"--network", "host", "--pid", "host"}, []string{"dockerd", "--", "--config-file", path})
		}
		l.LaunchAgentd().WaitState("enforcing")
		truth("after the agent's start")
		// The files of what counts as dockerd have bounds too.
		l.Host("sh", "-c", `cp `+l.Responder()+` /run/dockerd
			for f in /run/fifo /dev/zero; do /run/dockerd pose -as dockerd -- --config-file $f >/dev/null 2>&1 & done`)
		l.RunContainer(lab.Spec{Name: "event"})
		truth("with processes of the host's own that lie")
		if t.Failed() {
			t.Logf("agentd:\n%s", a.Log())
		}
	})
}

// lie runs a container whose process looks like another program: pose is its
// name and arguments.
func lie(l *lab.Lab, name string, args, pose []string) {
	l.RunContainer(lab.Spec{Name: name, Args: args, Command: append([]string{"pose", "-as"}, pose...)})
}
