package facts

import (
	"slices"
	"testing"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
	"dockwall/netinfo/hostnet"
)

func TestInterfacesThatTheEngineDidNotMake(t *testing.T) {
	for _, x := range []struct {
		names []string
		box   docker.Sandbox
		want  []string
	}{
		{nil, docker.Sandbox{None: true, Endpoints: 1}, nil},
		{[]string{"veth1"}, docker.Sandbox{None: true, Endpoints: 1}, []string{"veth1"}},
		{[]string{"eth0"}, docker.Sandbox{Endpoints: 1}, nil},
		{[]string{"eth1", "eth0"}, docker.Sandbox{Endpoints: 2}, nil},
		{[]string{"eth1", "eth0"}, docker.Sandbox{Endpoints: 1}, []string{"eth1"}},
		{[]string{"macvlan0", "eth0"}, docker.Sandbox{Endpoints: 1}, []string{"macvlan0"}},
		{[]string{"eth0", "wg0", "tun0", "docker0", "veth12ab34c", "br-0123456789ab"}, docker.Sandbox{Endpoints: 1}, nil},
		{[]string{"lan0"}, docker.Sandbox{Endpoints: 1}, nil}, // com.docker.network.endpoint.ifname
	} {
		if got := notOfEngine(x.names, x.box); !slices.Equal(got, x.want) {
			t.Errorf("%q with %+v: %q, want %q", x.names, x.box, got, x.want)
		}
	}
}

func TestVethsIntoAConnectedContainer(t *testing.T) {
	const mac, other = "02:42:ac:12:00:02", "02:42:ac:12:00:03"
	s := netinfo.Snapshot{
		Networks: []netinfo.Network{{ID: "n", Bridge: "br-n"}, {ID: "host"}},
		Links: []netinfo.Link{{Index: 1, Name: "br-n", Kind: "bridge"}, {Index: 2, Name: "br0", Kind: "bridge"},
			{Index: 3, Name: "veth0123456", Master: 1, Peer: mac}, {Index: 4, Name: "veth6543210", Master: 1, Peer: other},
			{Index: 5, Name: "hand0", Master: 2}, {Index: 6, Name: "vethabcdef0"}, {Index: 7, Name: "vmveth0", Master: 2}},
		Containers: []netinfo.Container{{ID: "web", Endpoints: []netinfo.Endpoint{{NetworkID: "n", MAC: mac}}},
			{ID: "db", Endpoints: []netinfo.Endpoint{{NetworkID: "n", MAC: other}}}},
	}
	veths := []hostnet.Veth{{Index: 3, Namespace: 0, Master: 1}, {Index: 4, Namespace: 1, Master: 1}, {Index: 5, Namespace: 0, Master: 2},
		{Index: 6, Namespace: 1}, {Index: 7, Namespace: 9, Master: 2}}
	got := handmadeEnds(&s, veths)
	if len(got) != 1 || !slices.Equal(got["web"], []string{"hand0"}) {
		t.Errorf("the veths made by hand are %v, want hand0 of web alone", got)
	}
}
