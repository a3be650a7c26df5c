package hostnet

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dockwall/test/nstest"
)

// aContainer is a container's ID, after which engines name its cgroup.
const aContainer = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// A program in a container on the host's network may take any name and any
// arguments. One sign of a container is enough.
func TestProcessesThatLie(t *testing.T) {
	const lie = "/usr/bin/dockerd -H tcp://0.0.0.0:22"
	liars := map[string]func(p fakeProc, dir string){
		"of a user": func(p fakeProc, dir string) {
			nstest.Must(p.t, os.Chown(filepath.Join(p.root, dir), 1000, 1000))
		},
		"in a PID namespace": func(p fakeProc, dir string) {
			p.write(dir+"/status", "Name:\tdockerd\nPPid:\t1\nNSpid:\t10\t7\nCapEff:\t000001ffffffffff\n")
		},
		"without capabilities": func(p fakeProc, dir string) {
			p.write(dir+"/status", "Name:\tdockerd\nPPid:\t1\nNSpid:\t10\nCapEff:\t00000000a80425fb\n")
		},
		"in a container's cgroup": func(p fakeProc, dir string) {
			p.write(dir+"/cgroup", "4:memory:/docker/"+aContainer+"\n0::/\n")
		},
		"in a container's scope": func(p fakeProc, dir string) {
			p.write(dir+"/cgroup", "0::/system.slice/docker-"+aContainer+".scope/init\n")
		},
		"in another network": func(p fakeProc, dir string) {
			nstest.Must(p.t, os.Remove(filepath.Join(p.root, dir, "ns/net")))
			p.link(dir+"/ns/net", "net:[2]")
		},
		"in another network that may not be read": func(p fakeProc, dir string) {
			nstest.Must(p.t, os.Remove(filepath.Join(p.root, dir, "ns/net")))
			p.write(dir+"/ns/net", "no link")
			p.write(dir+"/net/dev", "")
			p.write("thread-self/net/dev", "")
		},
		"on a container's root": func(p fakeProc, dir string) {
			p.write(dir+"/mountinfo", "900 22 0:99 / / rw,relatime - overlay overlay rw\n")
		},
	}
	for name, lies := range liars {
		t.Run(name, func(t *testing.T) {
			p := newFakeProc(t)
			p.process(10, "dockerd", "net:[1]", lie)
			lies(p, "10")
			p.child(10, 11, "docker-proxy", "net:[1]", proxyTCP)
			s := scannerWithoutConfig(t, p)
			got, err := s.Dockerd(nil)
			if err != nil || len(got) != 0 || s.DockerdRuns() {
				t.Errorf("believed: %v, %v", got, err)
			}
			checkProxies(t, s)
		})
	}
}

func TestOnlyDockerdsChildrenAreProxies(t *testing.T) {
	p := newFakeProc(t)
	p.dockerd(9)
	p.process(10, "docker-proxy", "net:[1]", proxyTCP) // an orphan, perhaps of a container
	p.child(9, 20, "sh", "net:[1]", "sh -c x")
	p.child(20, 21, "docker-proxy", "net:[1]", proxyTCP) // dockerd's child is no proxy
	p.child(9, 30, "docker-proxy", "net:[1]", proxyTCP)
	p.write("30/cgroup", "0::/docker/"+aContainer+"\n")
	p.child(9, 40, "wrapper", "net:[1]", "/bin/sh "+proxyTCP)
	p.child(40, 41, "docker-proxy", "net:[1]", proxyTCP)
	checkProxies(t, NewScanner(p.root), wantTCP(40), wantTCP(41))
}

// docker-proxy ends by a signal when dockerd dies, a moment after it.
func TestProxyThatOutlivesDockerd(t *testing.T) {
	p := newFakeProc(t)
	s := NewScanner(p.root)
	p.dockerd(9)
	p.child(9, 10, "docker-proxy", "net:[1]", proxyTCP)
	checkProxies(t, s, wantTCP(10))
	p.remove(9)
	p.status(10, "Name:\tdocker-proxy\nPPid:\t1\nNSpid:\t10\n")
	checkProxies(t, s, wantTCP(10))
}

// A host that is a container itself: what is above PID 1 is above everybody.
func TestCgroupsAboveTheHost(t *testing.T) {
	p := newFakeProc(t)
	p.write("1/cgroup", "0::/docker/"+aContainer+"\n")
	p.dockerd(9)
	p.write("9/cgroup", "0::/docker/"+aContainer+"/system.slice\n")
	p.child(9, 10, "docker-proxy", "net:[1]", proxyTCP)
	p.process(11, "dockerd", "net:[1]", "dockerd -H tcp://0.0.0.0:22")
	p.write("11/cgroup", "0::/docker/"+aContainer+"/lab/"+strings.Repeat("f", 64)+"\n")
	s := scannerWithoutConfig(t, p)
	checkProxies(t, s, wantTCP(10))
	if got, err := s.Dockerd(nil); err != nil || len(got) != 0 {
		t.Errorf("believed: %v, %v", got, err)
	}
}

func TestConfigurationFilesHaveBounds(t *testing.T) {
	dir := t.TempDir()
	fifo, long := filepath.Join(dir, "fifo"), filepath.Join(dir, "long.json")
	nstest.Must(t, syscall.Mkfifo(fifo, 0o600))
	nstest.Must(t, os.WriteFile(long, bytes.Repeat([]byte(" "), maxConfigFile+1), 0o600))
	for _, path := range []string{fifo, long, "/dev/zero", "/dev/tty", dir} {
		p := newFakeProc(t)
		p.process(10, "dockerd", "net:[1]", "/usr/bin/dockerd -H tcp://0.0.0.0:2375 --config-file "+path)
		// If a path were read without bounds, this would not return.
		got, err := NewScanner(p.root).Dockerd(nil)
		if err == nil || len(got) != 1 {
			t.Errorf("%s: dockerd's ports are %v, error %v; want one port and an error", path, got, err)
		}
	}
}

func TestConfigurationFileThatHangs(t *testing.T) {
	c := newConfigFiles()
	started, release := 0, make(chan struct{})
	c.wait = time.Millisecond
	c.read = func(string, int64) ([]byte, error) {
		started++
		<-release
		return []byte("text"), nil
	}
	for range 3 {
		if _, err := c.get("x"); err == nil {
			t.Fatal("no error")
		}
	}
	close(release)
	for {
		text, err := c.get("x")
		if err == nil {
			if string(text) != "text" || started != 1 {
				t.Errorf("got %q after %d reads, want one", text, started)
			}
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// serveEngine answers on a unix socket as an engine does, until the test ends.
func serveEngine(t *testing.T, answer bool) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "engine.sock")
	l, err := net.Listen("unix", socket)
	nstest.Must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if answer {
				// As dockerd does: an answer before the question has no sender.
				_, _ = c.Read(make([]byte, 512))
				_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			}
		}
	}()
	return socket
}

// The peer of the engine's socket counts whatever its name and its root, but not
// in a container.
func TestPeerOfTheEnginesSocket(t *testing.T) {
	self := os.Getpid()
	p := newFakeProc(t)
	p.process(self, "balenad", "net:[1]", "/usr/bin/balenad")
	p.child(self, self+1, "docker-proxy", "net:[1]", proxyTCP)
	checkProxies(t, NewScanner(p.root))
	socket := "unix://" + serveEngine(t, false)
	checkProxies(t, NewScanner(p.root).WithEngine("tcp://192.0.2.1:2375"))
	checkProxies(t, NewScanner(p.root).WithEngine("unix:///nonexistent.sock"))
	checkProxies(t, NewScanner(p.root).WithEngine(socket), wantTCP(self+1))
	p.write(fmt.Sprintf("%d/cgroup", self), "0::/docker/"+aContainer+"\n")
	checkProxies(t, NewScanner(p.root).WithEngine(socket))
}

func TestSenderOfAnswer(t *testing.T) {
	dial := func(socket string) *net.UnixConn {
		c, err := net.Dial("unix", socket)
		nstest.Must(t, err)
		t.Cleanup(func() { c.Close() })
		return c.(*net.UnixConn)
	}
	pid, err := senderOfAnswer(dial(serveEngine(t, true)))
	if err != nil || pid != os.Getpid() {
		t.Errorf("the sender is %d, %v, want %d", pid, err, os.Getpid())
	}
	if _, err := senderOfAnswer(dial(serveEngine(t, false))); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an engine that does not answer gives %v", err)
	}
}

// Only an engine's process says where the engine is: a proxy in a container may serve the
// socket of one that is here.
func TestEngineInAnotherNetworkNamespace(t *testing.T) {
	self := os.Getpid()
	socket := "unix://" + serveEngine(t, false)
	for _, x := range []struct {
		name, ns string
		want     int
	}{
		{"dockerd", "net:[1]", 0},
		{"dockerd", "net:[2]", self},
		{"podman", "net:[2]", self},
		{"haproxy", "net:[2]", 0},
	} {
		p := newFakeProc(t)
		p.process(self, x.name, x.ns, "/usr/bin/"+x.name)
		s := NewScanner(p.root).WithEngine(socket)
		if _, err := s.Proxies(); err != nil {
			t.Fatal(err)
		}
		if got := s.EngineElsewhere(); got != x.want {
			t.Errorf("%s in %s is elsewhere as %d, want %d", x.name, x.ns, got, x.want)
		}
	}
}

func TestInterfacesOfAContainer(t *testing.T) {
	p := newFakeProc(t)
	const dev = "Inter-|   Receive                |  Transmit\n face |bytes    packets errs |bytes\n    lo:       0       0    0\n  eth0: 1 2 3\n tunl0: 0 0 0\nlan@x: 0 0 0\n"
	p.process(7, "sh", "net:[2]", "sh")
	p.write("7/net/dev", dev)
	p.write("7/cgroup", "0::/docker/"+aContainer+"\n")
	p.process(8, "sh", "net:[1]", "sh")
	p.write("8/net/dev", dev)
	p.write("8/cgroup", "0::/docker/"+aContainer+"\n")
	s := NewScanner(p.root)
	if names, ok := s.Interfaces(7, aContainer); !ok || fmt.Sprint(names) != "[eth0 lan@x]" {
		t.Errorf("the interfaces are %q, %v", names, ok)
	}
	for what, pid := range map[string]int{"a process of this namespace": 8, "no container's process": 1, "no process": 9} {
		if names, ok := s.Interfaces(pid, aContainer); ok {
			t.Errorf("%s has the interfaces %q", what, names)
		}
	}
}
