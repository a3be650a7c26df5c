package facts

import (
	"net"
	"slices"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/policy"
)

// listening are TCP listeners on these ports of every IPv4 address.
func listening(owner hostnet.Owner, ports ...uint16) (open []owned) {
	for _, port := range ports {
		open = append(open, owned{Socket: hostnet.Socket{Addr: addr("0.0.0.0"), Proto: netinfo.TCP, Port: port}, owner: owner})
	}
	return open
}

func TestUnknownListenerIsTheHostsOnlyAfterAWhile(t *testing.T) {
	stopped := answer(true).Containers
	stopped[0].Endpoints = nil
	open := listening(hostnet.OwnerUnknown, 80, 22)
	at := time.Now().Add(-time.Hour)
	var s sockets
	s.listeners = s.see(open, nil, nil, at)
	if got := s.settled(at); len(got) != 0 {
		t.Errorf("the host's own at once: %v", got)
	}
	s.listeners = s.see(open, nil, nil, at.Add(settleTime))
	snap := netinfo.Snapshot{Containers: stopped}
	s.into(&snap, nil)
	if len(snap.Listeners) != 1 || snap.Listeners[0].Port != 80 {
		t.Errorf("listeners are %v, want port 80, which a stopped container would publish", snap.Listeners)
	}
	proxy := []hostnet.Proxy{{Proto: netinfo.TCP, HostAddr: addr("0.0.0.0"), HostPort: 80, ContainerAddr: addr("172.18.0.2"), ContainerPort: 80}}
	if got := s.see(open[:1], nil, proxy, at); len(got) != 0 {
		t.Errorf("docker-proxy is taken for a service: %v", got)
	}
}

// A service that starts on a port which a created container wants is the host's
// at once if its process is known to be none of dockerd's.
func TestListenerOfTheHostCountsAtOnce(t *testing.T) {
	now := time.Now()
	var s sockets
	if got := (sockets{listeners: s.see(listening(hostnet.OwnerHost, 22), nil, nil, now)}).settled(now); len(got) != 1 {
		t.Errorf("the host's own listeners are %v, want port 22", got)
	}
	if got := s.see(listening(hostnet.OwnerEngine, 22), nil, nil, now.Add(-time.Hour)); len(got) != 0 {
		t.Errorf("a socket that dockerd holds is taken for a service: %v", got)
	}
	proxy := []hostnet.Proxy{{Proto: netinfo.TCP, HostAddr: addr("0.0.0.0"), HostPort: 22, ContainerAddr: addr("172.18.0.2"), ContainerPort: 80}}
	if got := s.see(listening(hostnet.OwnerHost, 22), nil, proxy, now); len(got) != 0 {
		t.Errorf("docker-proxy is taken for a service: %v", got)
	}
}

// On a port that a policy names for a container, a listener is the host's at once
// only if its process is known to be in no container.
func TestListenersOnMindedPorts(t *testing.T) {
	var s sockets
	now := time.Now()
	for _, x := range []struct {
		owner            hostnet.Owner
		home             hostnet.Home
		settled, contain bool
	}{
		{hostnet.OwnerHost, hostnet.HomeHost, true, false},
		{hostnet.OwnerUnknown, hostnet.HomeHost, true, false},
		{hostnet.OwnerHost, hostnet.HomeContainer, true, true},
		{hostnet.OwnerHost, hostnet.HomeUnknown, false, false},
		{hostnet.OwnerUnknown, hostnet.HomeUnknown, false, false},
	} {
		open := listening(x.owner, 8443)
		open[0].minded, open[0].home.Home = true, x.home
		next := sockets{listeners: s.see(open, nil, nil, now)}
		if got := next.settled(now); (len(got) == 1) != x.settled || x.settled && got[0].Container != x.contain {
			t.Errorf("%+v: listeners are %+v", x, got)
		}
		minded := new(portSet)
		minded.add(netinfo.PublishedPort{Proto: netinfo.TCP, HostPort: 8443})
		var snap netinfo.Snapshot
		if next.into(&snap, minded); (len(snap.Listeners) == 1) != x.settled {
			t.Errorf("%+v: the snapshot has %+v", x, snap.Listeners)
		}
	}
}

// What the first facts say of a service on a port that the policy names is known
// when Mind returns.
func TestMindLooksAtOnce(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	named := func(port uint16) policy.Policy {
		return policy.Policy{Published: []*policy.Published{{To: []*policy.Selector{{Names: []string{"late"}}},
			Ports: []policy.Ports{{Proto: netinfo.TCP, Lo: port, Hi: port}}}}}
	}
	c := collectorOf(t, "/proc", netinfo.Snapshot{})
	services := func(p policy.Policy) []netinfo.Listener {
		t.Helper()
		c.Mind(p)
		s, _, err := c.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(s.Listeners, func(l netinfo.Listener) bool { return l.Port != port })
	}
	if got := services(named(1)); len(got) != 0 {
		t.Errorf("services are %v, want none: no policy names the port", got)
	}
	want := netinfo.Listener{Addr: addr("127.0.0.1"), Proto: netinfo.TCP, Port: port}
	if got := services(named(port)); len(got) != 1 || got[0] != want {
		t.Errorf("services are %v, want %v", got, want)
	}
}

func TestPortsThatContainersWant(t *testing.T) {
	port := func(lo, hi uint16, proto netinfo.Protocol) netinfo.PublishedPort {
		return netinfo.PublishedPort{HostPort: lo, HostPortEnd: hi, Proto: proto, ContainerPort: 80}
	}
	running := answer(true).Containers[0]
	all := netinfo.Container{Ports: []netinfo.PublishedPort{port(1, 65535, netinfo.UDP), port(22, 22, netinfo.TCP), port(0, 0, netinfo.TCP)}}
	none := netinfo.Container{HostNetwork: true, Ports: []netinfo.PublishedPort{port(25, 25, netinfo.TCP)}}
	wanted, published := publishes([]netinfo.Container{running, all, none})
	for _, x := range []struct {
		proto             netinfo.Protocol
		port              uint16
		wanted, published bool
	}{
		{netinfo.TCP, 80, false, true}, {netinfo.TCP, 22, true, true}, {netinfo.UDP, 1, true, true}, {netinfo.UDP, 65535, true, true},
		{netinfo.UDP, 0, false, false}, {netinfo.TCP, 25, false, false}, {netinfo.SCTP, 22, false, false}, {netinfo.ICMP, 22, false, false},
	} {
		if w, p := wanted.has(x.proto, x.port), published.has(x.proto, x.port); w != x.wanted || p != x.published {
			t.Errorf("%v %d is wanted %v and published %v, want %v and %v", x.proto, x.port, w, p, x.wanted, x.published)
		}
	}
	if wanted, _ := publishes([]netinfo.Container{running}); wanted.any() {
		t.Error("a running container wants a port")
	}
}

// A service of the host on another address than a docker-proxy of the same port
// is the host's own.
func TestProxyOfAnotherAddress(t *testing.T) {
	now := time.Now()
	dns := owned{Socket: hostnet.Socket{Addr: addr("192.0.2.2"), Proto: netinfo.TCP, Port: 53}, owner: hostnet.OwnerHost}
	for bound, want := range map[string]int{"192.0.2.1": 1, "192.0.2.2": 0, "0.0.0.0": 1} {
		proxy := []hostnet.Proxy{{Proto: netinfo.TCP, HostAddr: addr(bound), HostPort: 53, ContainerAddr: addr("172.18.0.2"), ContainerPort: 53}}
		var s sockets
		if got := s.see([]owned{dns}, nil, proxy, now); len(got) != want {
			t.Errorf("with docker-proxy on %s: %d services of the host, want %d", bound, len(got), want)
		}
	}
	every := owned{Socket: hostnet.Socket{Addr: addr("::"), Proto: netinfo.TCP, Port: 53}, owner: hostnet.OwnerUnknown}
	proxy := []hostnet.Proxy{{Proto: netinfo.TCP, HostAddr: addr("0.0.0.0"), HostPort: 53, ContainerAddr: addr("172.18.0.2"), ContainerPort: 53}}
	var s sockets
	if got := s.see([]owned{every}, nil, proxy, now); len(got) != 0 {
		t.Errorf("docker-proxy on a socket of both families is taken for a service: %v", got)
	}
}

// A socket that is in no cgroup of version 2, and whose process's files may not be read,
// may be that of a container on the host's network.
func TestUnattributedListeners(t *testing.T) {
	for name, x := range map[string]struct {
		o    owned
		want bool
	}{
		"cgroup v1":             {owned{Socket: hostnet.Socket{Inode: 7, Cgroup: 1}, minded: true}, true},
		"before Linux 5.8":      {owned{Socket: hostnet.Socket{Inode: 7}, minded: true}, true},
		"the host's":            {owned{Socket: hostnet.Socket{Inode: 7}, minded: true, home: hostnet.Residence{Home: hostnet.HomeHost}}, false},
		"a container's":         {owned{Socket: hostnet.Socket{Inode: 7}, minded: true, home: hostnet.Residence{Home: hostnet.HomeContainer}}, false},
		"its process has ended": {owned{Socket: hostnet.Socket{Inode: 7, Cgroup: 4711}, minded: true}, false},
		"dockerd's":             {owned{Socket: hostnet.Socket{Inode: 7}, minded: true, owner: hostnet.OwnerEngine}, false},
		"the kernel's":          {owned{Socket: hostnet.Socket{}, minded: true}, false},
		"of no interest":        {owned{Socket: hostnet.Socket{Inode: 7}}, false},
	} {
		if got := x.o.unattributed(); got != x.want {
			t.Errorf("%s: %t, want %t", name, got, x.want)
		}
		x.o.Proto, x.o.Port, x.o.Addr = netinfo.TCP, 8123, addr("0.0.0.0")
		var s sockets
		s.listeners = s.see([]owned{x.o}, nil, nil, time.Now().Add(-settleTime))
		var snap netinfo.Snapshot
		if s.into(&snap, nil); (len(snap.Listeners) == 1) != x.want {
			t.Errorf("%s: the snapshot has %v", name, snap.Listeners)
		}
	}
}

// The look at which a listener has been there for long enough finds a change, and the next
// one does not.
func TestSettlingIsAChange(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := collectorOf(t, t.TempDir(), netinfo.Snapshot{})
	look := func() bool {
		t.Helper()
		changed, _, err := c.lookAtSockets()
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	look()
	if look() {
		t.Fatal("a second look finds a change")
	}
	for i := range c.sockets.listeners {
		c.sockets.listeners[i].since = time.Now().Add(-settleTime)
	}
	if !look() {
		t.Error("the look at which listeners have settled finds no change")
	}
	if look() {
		t.Error("the look after it finds a change")
	}
}
