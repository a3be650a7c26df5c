package facts

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/test/nstest"
)

func TestEachEventIsFollowedByAWalk(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	var next walkDue
	if next.overdue(at(0)) || next.wait(at(0)) != nil {
		t.Error("a walk is owed for nothing")
	}
	next.note(at(0))
	next.note(at(400))
	if next.overdue(at(999)) || !next.overdue(at(1000)) {
		t.Error("the walk is not due a second after the first event")
	}
	next.walked(at(1000))
	if next.overdue(at(5000)) {
		t.Error("a walk that came 600 ms after the last event does not count for it")
	}
	next.note(at(6000))
	next.walked(at(6100))
	if next.overdue(at(6999)) || !next.overdue(at(7000)) {
		t.Error("a walk that came 100 ms after the event counts for it")
	}
}

// fakeProcess adds one of the host's own to a /proc of plain files.
func fakeProcess(t *testing.T, root string, parent, pid int, name, cmdline string) {
	t.Helper()
	dir := filepath.Join(root, fmt.Sprint(pid))
	nstest.Must(t, os.MkdirAll(filepath.Join(dir, "ns"), 0o755))
	nstest.Must(t, os.Symlink("net:[1]", filepath.Join(dir, "ns", "net")))
	for file, text := range map[string]string{
		"cmdline":   strings.ReplaceAll(cmdline, " ", "\x00") + "\x00",
		"status":    fmt.Sprintf("Name:\t%s\nPPid:\t%d\nNSpid:\t%d\nCapEff:\t000001ffffffffff\n", name, parent, pid),
		"cgroup":    "0::/system.slice/docker.service\n",
		"mountinfo": "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n",
	} {
		nstest.Must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644))
	}
}

// dockerd hands the socket over to docker-proxy: the listeners stay as they are. A
// docker-proxy that is slow to start is found after the next event nevertheless.
func TestProxyIsFoundThoughTheListenersStay(t *testing.T) {
	nstest.NeedRoot(t) // whose directories stand for root's processes
	root := t.TempDir()
	nstest.Must(t, os.MkdirAll(filepath.Join(root, "thread-self", "ns"), 0o755))
	nstest.Must(t, os.Symlink("net:[1]", filepath.Join(root, "thread-self", "ns", "net")))
	fakeProcess(t, root, 0, 1, "systemd", "/sbin/init")
	fakeProcess(t, root, 1, 10, "dockerd", "/usr/bin/dockerd")
	c, err := New("unix:///nonexistent/docker.sock", netinfo.Snapshot{}, hclog.NewNullLogger())
	nstest.Must(t, err)
	c.scanner = hostnet.NewScanner(root)
	c.sockets.engineSince = time.Now().Add(-time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	changed, ended := make(chan string, 10), make(chan struct{})
	go func() {
		defer close(ended)
		c.watchSockets(ctx, func(cause string) { changed <- cause })
	}()
	defer func() { cancel(); <-ended }()
	time.Sleep(settleTime + 500*time.Millisecond) // until the listeners of this machine have settled
	for len(changed) > 0 {
		<-changed
	}
	fakeProcess(t, root, 10, 11, "docker-proxy",
		"/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd")
	c.poke()
	select {
	case <-changed:
	case <-time.After(3 * owedWithin):
		t.Fatal("docker-proxy was not found after an event")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sockets.proxies) != 1 || c.sockets.proxies[0].HostPort != 8080 {
		t.Errorf("the docker-proxy processes are %v, want the one for port 8080", c.sockets.proxies)
	}
}
