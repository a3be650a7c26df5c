package facts

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// The ports of a container on the host's network are those on which its processes
// listen, and those of containers that use its network; no other listener counts.
func TestPortsOnTheHostsNetwork(t *testing.T) {
	at := func(a string, proto netinfo.Protocol, port uint16, in string) sighting {
		return sighting{l: netinfo.Listener{Addr: addr(a), Proto: proto, Port: port, Container: in != ""}, container: in}
	}
	only6 := at("::", netinfo.TCP, 8124, "node")
	only6.v6Only = true
	s := sockets{listeners: []sighting{
		at("::", netinfo.TCP, 8123, "node"), only6, at("192.0.2.1", netinfo.UDP, 53, "beside"),
		at("127.0.0.1", netinfo.TCP, 9000, "node"),                                     // not reachable from elsewhere
		at("0.0.0.0", netinfo.UDP, 5353, "node"), at("0.0.0.0", netinfo.UDP, 5353, ""), // mDNS, the host's too
		at("0.0.0.0", netinfo.TCP, 22, ""), at("0.0.0.0", netinfo.TCP, 8125, "another engine's"), // none of this engine's
		at("0.0.0.0", netinfo.TCP, 8126, "web"), // it has a network of its own
	}}
	asked := []netinfo.PublishedPort{{HostPort: 80, HostPortEnd: 80, Proto: netinfo.TCP, ContainerPort: 80}}
	before := []netinfo.Container{{ID: "node", State: "running", HostNetwork: true, Ports: asked}, {ID: "beside", State: "running", SharesWith: "node"},
		{ID: "web", State: "running", Ports: asked}}
	snap := netinfo.Snapshot{Containers: before}
	s.addHostNetwork(&snap)
	port := func(a string, proto netinfo.Protocol, n uint16) netinfo.PublishedPort {
		p := netinfo.PublishedPort{HostPort: n, HostPortEnd: n, Proto: proto, ContainerPort: n}
		if a != "" {
			p.HostAddr = addr(a)
		}
		return p
	}
	want := [][]netinfo.PublishedPort{{port("192.0.2.1", netinfo.UDP, 53), port("", netinfo.TCP, 8123), port("::", netinfo.TCP, 8124)}, nil, asked}
	for i, c := range snap.Containers {
		if diff := cmp.Diff(want[i], c.Ports, cmp.Comparer(func(a, b netinfo.Addr) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("ports of %s (-want +got):\n%s", c.ID, diff)
		}
	}
	if len(before[0].Ports) != 1 {
		t.Error("the engine's own facts were changed")
	}
}

// A name server opens a UDP socket on a port of the kernel's choice for each question.
func TestMindedSockets(t *testing.T) {
	c := &Collector{portsSought: portsSought{minded: new(portSet)}}
	c.minded.add(netinfo.PublishedPort{Proto: netinfo.UDP, HostPort: 51820})
	socket := func(proto netinfo.Protocol, port uint16) hostnet.Socket {
		return hostnet.Socket{Proto: proto, Port: port}
	}
	for _, onHost := range []bool{false, true} {
		c.onHost = onHost
		for s, want := range map[hostnet.Socket]bool{
			socket(netinfo.TCP, 8123): onHost, socket(netinfo.TCP, 40000): onHost, socket(netinfo.UDP, 53): onHost,
			socket(netinfo.UDP, 40000): false, socket(netinfo.UDP, 51820): true,
		} {
			if got := c.minds(s); got != want {
				t.Errorf("a container is on the host's network: %v; %v %d is minded %v, want %v", onHost, s.Proto, s.Port, got, want)
			}
		}
	}
}
