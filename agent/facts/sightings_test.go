package facts

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// twoBridges has ann (port 10) and bob (port 11) on one network, eve (port 12) on
// another, and a port that is no container's (13).
func twoBridges() netinfo.Snapshot {
	of := func(name, network, mac, addr string) netinfo.Container {
		return netinfo.Container{ID: name, Name: name, State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: network, MAC: mac, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}}}
	}
	return netinfo.Snapshot{
		Networks: []netinfo.Network{{ID: "a", Bridge: "br-a", Subnets: []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16")}},
			{ID: "b", Bridge: "br-b", Subnets: []netip.Prefix{netip.MustParsePrefix("172.19.0.0/16")}}},
		Links: []netinfo.Link{{Index: 3, Name: "br-a", Kind: "bridge", Addrs: []netip.Prefix{netip.MustParsePrefix("172.18.0.1/16")}}, {Index: 4, Name: "br-b", Kind: "bridge"},
			{Index: 10, Master: 3, Peer: ann}, {Index: 11, Master: 3, Peer: bob}, {Index: 12, Master: 4, Peer: ann}, {Index: 13, Master: 3}},
		Containers: []netinfo.Container{of("ann", "a", ann, "172.18.0.2"), of("bob", "a", bob, "172.18.0.3"), of("eve", "b", ann, "172.19.0.2")},
	}
}

func TestSightingsGoByPort(t *testing.T) {
	s := twoBridges()
	of := masters(s.Links)
	now := time.Now()
	ss := newSightings()
	for _, p := range []struct {
		port int
		addr string
	}{
		{10, "172.18.0.250"}, {10, "10.8.0.6"}, {10, "fe80::9"}, {13, "172.18.0.77"},
		// What cannot be there: another container's address, its own network's gateway,
		// another network's container and a free address of that network.
		{10, "172.18.0.3"}, {10, "172.18.0.1"}, {10, "172.19.0.2"}, {10, "172.19.0.9"}, {13, "172.18.0.2"},
	} {
		ss.note(netinfo.Place{Port: p.port, Addr: netip.MustParseAddr(p.addr)}, now, of)
	}
	ss.into(&s, answered, now.Add(strangerTime))
	s.Normalize()
	want := []netip.Addr{netip.MustParseAddr("10.8.0.6"), netip.MustParseAddr("172.18.0.250"), netip.MustParseAddr("fe80::9")}
	if got := s.Containers[0].Endpoints[0].Seen; !slices.Equal(got, want) {
		t.Errorf("ann's further addresses are %v, want %v", got, want)
	}
	for _, c := range s.Containers[1:] {
		if len(c.Endpoints[0].Seen) > 0 {
			t.Errorf("%s's further addresses are %v, want none", c.Name, c.Endpoints[0].Seen)
		}
	}
	if len(s.Strangers) != 1 || s.Strangers[0] != netip.MustParseAddr("172.18.0.77") {
		t.Errorf("strangers are %v, want 172.18.0.77", s.Strangers)
	}
	if len(s.Sightings) != 4 {
		t.Errorf("sightings are %v, want the four that can be", s.Sightings)
	}
}

// TestSightingsMove: an address is where it was seen last on a bridge.
func TestSightingsMove(t *testing.T) {
	of := masters(twoBridges().Links)
	ss := newSightings()
	vip := netip.MustParseAddr("10.0.0.9")
	for _, port := range []int{10, 12, 11} {
		if !ss.note(netinfo.Place{Port: port, Addr: vip}, time.Now(), of) {
			t.Errorf("port %d is no news", port)
		}
	}
	if ss.note(netinfo.Place{Port: 11, Addr: vip}, time.Now(), of) {
		t.Error("seen again, it is news")
	}
	ports := slices.Sorted(slices.Values(ss.ports[vip]))
	if !slices.Equal(ports, []int{11, 12}) {
		t.Errorf("the address is on ports %v, want 11, where it moved, and 12, of another bridge", ports)
	}
	delete(of, 11)
	ss.keep(of)
	if !slices.Equal(ss.ports[vip], []int{12}) || len(ss.since) != 1 || ss.count[11] != 0 {
		t.Errorf("after port 11 went: %+v", ss)
	}
}

// TestSightingsAreBounded: one port's invented addresses push out only its own.
func TestSightingsAreBounded(t *testing.T) {
	ss := newSightings()
	start := time.Now()
	honest := netinfo.Place{Port: 11, Addr: netip.MustParseAddr("10.0.0.9")}
	ss.note(honest, start, nil)
	addr := netip.MustParseAddr("10.1.0.0")
	for i := range 3 * seenPerPort {
		addr = addr.Next()
		ss.note(netinfo.Place{Port: 10, Addr: addr}, start.Add(time.Duration(i)), nil)
	}
	if _, there := ss.since[honest]; !there || ss.count[10] != seenPerPort || len(ss.since) != seenPerPort+1 {
		t.Errorf("%d of port 10, %d altogether, the honest one %v", ss.count[10], len(ss.since), there)
	}
	if _, there := ss.since[netinfo.Place{Port: 10, Addr: addr}]; !there {
		t.Error("the last one found no room")
	}
}

// TestPortsCountWhileInForce: an Ethernet address, which the sender chooses, says
// nothing then.
func TestPortsCountWhileInForce(t *testing.T) {
	inForce := true
	c := bridged()
	c.sightings = newSightings()
	c.UsePorts(func() bool { return inForce })
	c.Saw(saw("172.17.0.99", "02:42:ac:11:00:02", 3))
	if len(c.neighbors)+len(c.sightings.since) != 0 {
		t.Error("an Ethernet address was believed")
	}
	c.Saw(hostnet.Neighbor{Link: 3, Port: 9, Addr: netip.MustParseAddr("172.17.0.99"), MAC: "02:42:ac:11:00:02"})
	if len(c.sightings.since) != 1 {
		t.Error("a port was not believed")
	}
	inForce = false
	c.Saw(saw("172.17.0.98", "02:42:ac:11:00:02", 3))
	if len(c.neighbors) != 1 {
		t.Error("without ports an Ethernet address counts")
	}
}

// TestCoalesced: a flood of events is heard of at intervals, the last one too.
func TestCoalesced(t *testing.T) {
	calls := make(chan struct{}, 1000)
	told := coalesced(50*time.Millisecond, func() { calls <- struct{}{} })
	for range 1000 {
		told()
	}
	<-calls
	<-calls
	if n := len(calls); n > 0 {
		t.Errorf("%d calls more than two", n)
	}
}
