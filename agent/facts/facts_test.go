package facts

import (
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/hostnet"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// answer is the engine's with one container on one network.
func answer(connected bool) docker.Facts {
	return docker.Facts{
		Engine:   netinfo.Engine{Connected: connected, Known: true},
		Networks: []netinfo.Network{{ID: "n", Name: "shop", Bridge: "br-0123456789ab"}},
		Containers: []netinfo.Container{{ID: "c", Name: "web", State: "running",
			Endpoints: []netinfo.Endpoint{{ID: "e", NetworkID: "n", Addrs: []netip.Addr{addr("172.18.0.2")}, MAC: "02:42:ac:12:00:02"}},
			Ports:     []netinfo.PublishedPort{{HostPort: 80, HostPortEnd: 80, Proto: netinfo.TCP, ContainerPort: 80}}}},
	}
}

var (
	bridge = netinfo.Link{Index: 3, Name: "br-0123456789ab", Kind: "bridge"}
	veth1  = netinfo.Link{Index: 4, Name: "veth1", Kind: "veth", Master: 3}
	veth2  = netinfo.Link{Index: 9, Name: "veth2", Kind: "veth", Master: 3}
)

// assembled is what the facts come to an hour after all that has happened, as far
// as the engine was asked.
func assembled(m *memory, f docker.Facts, links []netinfo.Link) netinfo.Snapshot {
	if f.Engine.Connected {
		f.Listed = time.Now().Add(time.Hour)
	}
	s, _ := m.assemble(f, links, absence{}, time.Now())
	return s
}

func endpoints(s netinfo.Snapshot) int {
	n := 0
	for _, c := range s.Containers {
		n += len(c.Endpoints)
	}
	return n
}

func TestEngineAwayKeepsItsContainers(t *testing.T) {
	m := remember(netinfo.Snapshot{})
	assembled(&m, answer(true), []netinfo.Link{bridge, veth1})
	if s := assembled(&m, answer(false), []netinfo.Link{bridge, veth1}); endpoints(s) != 1 {
		t.Errorf("the container lost its address because the engine went away: %+v", s.Containers)
	}
	// One that ends leaves its address to nobody while no engine gives it away.
	if s := assembled(&m, answer(false), []netinfo.Link{bridge}); endpoints(s) != 1 {
		t.Errorf("the container lost its address with its link: %+v", s.Containers)
	}
}

// A port that appears on a Docker bridge while the engine cannot be asked may
// be a stranger's with the address of a container that is let in.
func TestNewPortWhileEngineIsAwayClosesTheNetwork(t *testing.T) {
	m := remember(netinfo.Snapshot{})
	assembled(&m, answer(true), []netinfo.Link{bridge, veth1})
	if s := assembled(&m, answer(false), []netinfo.Link{bridge, veth1, veth2}); endpoints(s) != 0 {
		t.Errorf("still let in: %+v", s.Containers)
	}
	if s := assembled(&m, answer(false), []netinfo.Link{bridge, veth1}); endpoints(s) != 0 {
		t.Error("forgotten when the port was gone again")
	}
	if s := assembled(&m, answer(true), []netinfo.Link{bridge, veth2}); endpoints(s) != 1 {
		t.Error("not let in again when the engine has told")
	}
}

func TestBridgeThatCameWhileEngineWasAwayIsUnplaced(t *testing.T) {
	lan := netinfo.Link{Index: 7, Name: "br-lan", Kind: "bridge"}
	m := remember(netinfo.Snapshot{})
	unplaced := func(s netinfo.Snapshot) (names []string) {
		for _, l := range s.Links {
			if l.Unplaced {
				names = append(names, l.Name)
			}
		}
		return names
	}
	none := docker.Facts{}
	if got := unplaced(assembled(&m, none, []netinfo.Link{lan})); len(got) != 0 {
		t.Errorf("there when the agent started, but unplaced: %v", got)
	}
	shop := netinfo.Link{Index: 8, Name: "shop0", Kind: "bridge"}
	if got := unplaced(assembled(&m, none, []netinfo.Link{lan, shop})); len(got) != 1 || got[0] != "shop0" {
		t.Errorf("unplaced are %v, want shop0", got)
	}
	if got := unplaced(assembled(&m, answer(true), []netinfo.Link{lan, shop})); len(got) != 0 {
		t.Errorf("unplaced though the engine has told: %v", got)
	}
}

// A bridge may be that of a network which the engine lists a moment later, or
// which nobody had the time to read of, with containers on it already.
func TestNewBridgeIsUnplacedUntilTheEngineWasAsked(t *testing.T) {
	lan := netinfo.Link{Index: 7, Name: "lan", Kind: "bridge"}
	odd := netinfo.Link{Index: 8, Name: "odd", Kind: "bridge"}
	nic := netinfo.Link{Index: 9, Name: "nic"}
	m := remember(netinfo.Snapshot{})
	start := time.Now()
	f := answer(true)
	f.Networks, f.Containers = nil, nil // whose bridge would be looked for
	f.Listed = start
	if s, ask := m.assemble(f, []netinfo.Link{lan}, absence{}, start); s.Links[0].Unplaced || ask != 0 {
		t.Error("a bridge that was there at the start is unplaced")
	}
	came := start.Add(time.Minute)
	links := []netinfo.Link{lan, odd, nic}
	s, ask := m.assemble(f, links, absence{}, came)
	if s.Links[0].Unplaced || !s.Links[1].Unplaced || s.Links[2].Unplaced || links[1].Unplaced {
		t.Errorf("want odd alone unplaced, and the links that were given as they were: %+v", s.Links)
	}
	if ask != placing {
		t.Errorf("the engine is to be asked in %v, want %v", ask, placing)
	}
	f.Listed = came.Add(placing / 2)
	if s, ask := m.assemble(f, links, absence{}, f.Listed); !s.Links[1].Unplaced || ask != placing/2 {
		t.Errorf("asked too early, and believed: ask again in %v", ask)
	}
	f.Listed = came.Add(placing)
	if s, ask := m.assemble(f, links, absence{}, f.Listed); s.Links[1].Unplaced || ask != 0 {
		t.Error("unplaced though the engine was asked")
	}
	f.Listed = start
	f.Networks = append(f.Networks, netinfo.Network{ID: "o", Name: "odd", Bridge: "odd"})
	again := netinfo.Link{Index: 10, Name: "odd", Kind: "bridge"}
	if s, ask := m.assemble(f, []netinfo.Link{again}, absence{}, came); s.Links[0].Unplaced || ask != 0 {
		t.Error("unplaced though a network's")
	}
}

func TestEarlierBootLeavesPortsAndNoAddresses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot.json")
	f := answer(true)
	s := netinfo.Snapshot{Engine: f.Engine, Networks: f.Networks, Containers: f.Containers, Links: []netinfo.Link{bridge}}
	if err := Save(path, s); err != nil {
		t.Fatal(err)
	}
	same, err := Load(filepath.Join(t.TempDir(), "none.json"), path)
	if err != nil || endpoints(same) != 1 || len(same.Links) != 1 {
		t.Errorf("of this boot: %+v, %v", same, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "\n")
	if err := os.WriteFile(path, []byte("another-boot\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}
	old, err := Load(path)
	if err != nil || endpoints(old) != 0 || len(old.Links) != 0 || len(old.Containers) != 1 || len(old.Containers[0].Ports) != 1 || old.Engine.Connected {
		t.Errorf("of an earlier boot: %+v, %v", old, err)
	}
}

// fakeDockerd is a /proc where a dockerd runs that is to listen on port 4243.
func fakeDockerd(t *testing.T) (proc string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only a process of root is believed to be dockerd")
	}
	proc = t.TempDir()
	for name, text := range map[string]string{"cmdline": "dockerd\x00-Htcp://0.0.0.0:4243\x00--config-file=" + proc + "/none\x00",
		"status": "Name:\tdockerd\nNSpid:\t7\n", "ns/net": "not to be read"} {
		path := filepath.Join(proc, "7", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return proc
}

// collectorOf looks at the processes below proc, after an earlier run that knew last.
func collectorOf(t *testing.T, proc string, last netinfo.Snapshot) *Collector {
	t.Helper()
	c, err := New("unix://"+proc+"/docker.sock", last, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	c.scanner = hostnet.NewScanner(proc)
	return c
}

// engineListens reports whether the facts of now have dockerd's port 4243.
func engineListens(t *testing.T, c *Collector) bool {
	t.Helper()
	s, _, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(s.Listeners, func(l netinfo.Listener) bool { return l.Dockerd && l.Port == 4243 })
}

// TestFirstFactsKnowDockerdsPorts: the engine may answer before anybody looked at
// the sockets, and what is written then is called enforcing.
func TestFirstFactsKnowDockerdsPorts(t *testing.T) {
	if !engineListens(t, collectorOf(t, fakeDockerd(t), netinfo.Snapshot{})) {
		t.Error("the first facts do not know dockerd's own port")
	}
}

// TestFirstFactsKnowWhoUsesAnAddress: an address that another container answers for
// is not the engine's container's alone, from the first facts on.
func TestFirstFactsKnowWhoUsesAnAddress(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the namespace
		if err := syscall.Unshare(syscall.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		out, err := exec.Command("sh", "-ec", `ip link add br-0123456789ab type bridge
			ip addr add 172.18.0.1/16 dev br-0123456789ab; ip link set br-0123456789ab up
			ip neigh add 172.18.0.2 lladdr 02:42:ac:12:00:66 dev br-0123456789ab nud permanent`).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
			return
		}
		other := answer(true)
		other.Containers = append(other.Containers, netinfo.Container{ID: "d", Name: "other", State: "running",
			Endpoints: []netinfo.Endpoint{{ID: "f", NetworkID: "n", Addrs: []netip.Addr{addr("172.18.0.3")}, MAC: "02:42:ac:12:00:66"}}})
		c := collectorOf(t, t.TempDir(), netinfo.Snapshot{Engine: other.Engine, Networks: other.Networks, Containers: other.Containers})
		s, _, err := c.Snapshot()
		if err != nil || len(s.Containers) != 2 || !slices.Equal(s.Containers[0].Endpoints[0].Disputed, []netip.Addr{addr("172.18.0.2")}) {
			t.Errorf("the first facts are %+v, %v, want a disputed address", s.Containers, err)
		}
	}()
	<-done
}

func TestDockerdsPortsStayItsOwnWhileItIsAway(t *testing.T) {
	proc := fakeDockerd(t)
	c := collectorOf(t, proc, netinfo.Snapshot{})
	look := func(c *Collector, want bool, when string) {
		t.Helper()
		if _, _, err := c.lookAtSockets(); err != nil {
			t.Fatal(err)
		}
		if got := engineListens(t, c); got != want {
			t.Errorf("%s: dockerd's port is known as its own: %v, want %v", when, got, want)
		}
	}
	look(c, true, "running")
	if err := os.Rename(filepath.Join(proc, "7"), filepath.Join(proc, "away")); err != nil {
		t.Fatal(err)
	}
	look(c, true, "stopped")
	last, _, err := c.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	look(collectorOf(t, proc, last), true, "stopped, and the agent started again")
	look(collectorOf(t, proc, ofEarlierBoot(last)), true, "stopped, and the machine booted")
	cmdline := filepath.Join(proc, "away", "cmdline")
	if err := errors.Join(os.WriteFile(cmdline, []byte("dockerd\x00--config-file="+proc+"/none\x00"), 0o644),
		os.Rename(filepath.Join(proc, "away"), filepath.Join(proc, "7"))); err != nil {
		t.Fatal(err)
	}
	look(c, true, "back a moment ago")
	c.sockets.engineSince = time.Now().Add(-returnTime)
	look(c, false, "back without the port")
}

func TestDockerdPortsThatAreContainersAreNotItsOwn(t *testing.T) {
	engine := []netinfo.Listener{{Addr: addr("0.0.0.0"), Proto: netinfo.TCP, Port: 80, Dockerd: true}, {Addr: addr("0.0.0.0"), Proto: netinfo.TCP, Port: 4243, Dockerd: true}}
	var s sockets
	s.listeners = s.see(nil, engine, nil, time.Now())
	snap := netinfo.Snapshot{Containers: answer(true).Containers}
	s.into(&snap, nil)
	if len(snap.Listeners) != 1 || snap.Listeners[0].Port != 4243 {
		t.Errorf("dockerd's own are %v, want 4243", snap.Listeners)
	}
}

func TestNeighbors(t *testing.T) {
	f := answer(true)
	now := time.Now()
	ns := neighbors{}
	ns.note(hostnet.Neighbor{Link: 3, Addr: addr("172.18.0.2"), MAC: "02:42:ac:12:00:02"}, now.Add(-time.Hour))
	ns.note(hostnet.Neighbor{Link: 3, Addr: addr("172.18.0.77"), MAC: "02:42:ac:12:00:02"}, now)
	ns.note(hostnet.Neighbor{Link: 3, Addr: addr("172.18.0.9"), MAC: "02:42:ac:12:00:09"}, now.Add(-strangerTime))
	ns.note(hostnet.Neighbor{Link: 3, Addr: addr("172.18.0.10"), MAC: "02:42:ac:12:00:0a"}, now)
	ns.note(hostnet.Neighbor{Link: 3, Addr: addr("fe80::2"), MAC: "02:42:ac:12:00:0b"}, now.Add(-time.Hour))
	ns.note(hostnet.Neighbor{Link: 3, Addr: addr("fe80::7"), MAC: "02:42:ac:12:00:02"}, now)
	ns.note(hostnet.Neighbor{Link: 2, Addr: addr("192.0.2.9"), MAC: "02:00:00:00:00:09"}, now.Add(-time.Hour))
	s := netinfo.Snapshot{Networks: f.Networks, Containers: f.Containers, Links: []netinfo.Link{bridge, {Index: 2, Name: "eth0"}}}
	ns.into(&s, answered, now)
	if got := s.Containers[0].Endpoints[0].Seen; len(got) != 2 || got[0] != addr("172.18.0.77") || got[1] != addr("fe80::7") {
		t.Errorf("the container's other addresses are %v, want 172.18.0.77 and fe80::7", got)
	}
	if len(f.Containers[0].Endpoints[0].Seen) != 0 {
		t.Error("the engine's facts were written to")
	}
	if len(s.Strangers) != 1 || s.Strangers[0] != addr("172.18.0.9") {
		t.Errorf("strangers are %v, want 172.18.0.9: who has just come may still be named", s.Strangers)
	}
	if ns.note(hostnet.Neighbor{Link: 3, Addr: addr("172.18.0.2"), MAC: "02:42:ac:12:00:02"}, now) {
		t.Error("what was seen before is news")
	}
}

// A container that answers for its neighbour's address gains nothing by it: the
// address is judged as its own too, and allows nothing any more.
func TestNeighborsAddressIsDisputed(t *testing.T) {
	f := answer(true)
	f.Containers = append(f.Containers, netinfo.Container{ID: "d", Name: "db", State: "running",
		Endpoints: []netinfo.Endpoint{{ID: "f", NetworkID: "n", Addrs: []netip.Addr{addr("172.18.0.3")}, MAC: "02:42:ac:12:00:03"}}})
	ns := neighbors{}
	ns.note(hostnet.Neighbor{Link: 3, Addr: addr("172.18.0.2"), MAC: "02:42:ac:12:00:03"}, time.Now())
	s := netinfo.Snapshot{Networks: f.Networks, Containers: f.Containers, Links: []netinfo.Link{bridge}}
	ns.into(&s, answered, time.Now())
	if got := s.Containers[0].Endpoints[0].Disputed; len(got) != 1 || got[0] != addr("172.18.0.2") {
		t.Errorf("the holder's disputed addresses are %v", got)
	}
	if got := s.Containers[1].Endpoints[0].Seen; len(got) != 1 || got[0] != addr("172.18.0.2") {
		t.Errorf("the user's other addresses are %v", got)
	}
}
