package netinfo_test

import (
	"net/netip"
	"testing"

	"dockwall/netinfo"
)

// TestPorts matches endpoints to bridge ports by the address that the port's
// other end had at first, on the endpoint's own bridge only.
func TestPorts(t *testing.T) {
	s := netinfo.Snapshot{
		Networks: []netinfo.Network{{ID: "a", Bridge: "br-a"}, {ID: "b", Bridge: "br-b"}, {ID: "m", Driver: "macvlan"}},
		Links: []netinfo.Link{
			{Index: 2, Name: "eth0"}, {Index: 3, Name: "br-a", Kind: "bridge"}, {Index: 4, Name: "br-b", Kind: "bridge"}, {Index: 5, Name: "virbr0", Kind: "bridge"},
			{Index: 10, Name: "veth0", Master: 3, Peer: "02:42:00:00:00:01"},
			{Index: 11, Name: "veth1", Master: 4, Peer: "02:42:00:00:00:01"},
			{Index: 12, Name: "veth2", Master: 3, Peer: "02:42:00:00:00:02"},
			{Index: 13, Name: "veth3", Master: 3, Peer: "02:42:00:00:00:02"},
			{Index: 14, Name: "veth4", Master: 3},
			{Index: 15, Name: "vnet0", Master: 5},
		},
	}
	ports := s.Ports()
	for _, c := range []struct {
		network, mac string
		want         int
	}{
		{"a", "02:42:00:00:00:01", 10},
		{"b", "02:42:00:00:00:01", 11},
		{"a", "02:42:00:00:00:02", 0}, // two ports claim it: neither is believed
		{"b", "02:42:00:00:00:02", 0},
		{"a", "", 0},
		{"m", "02:42:00:00:00:01", 0},
	} {
		port, ok := ports.Of(netinfo.Endpoint{NetworkID: c.network, MAC: c.mac})
		if port > 0 != ok || ok && port != c.want || !ok && c.want != 0 {
			t.Errorf("%s on %s: port %d, %v; want %d", c.mac, c.network, port, ok, c.want)
		}
	}
	for port, want := range map[int]string{10: "a", 11: "b", 14: "a", 15: "", 2: ""} {
		if id, ok := ports.Network(port); id != want || ok != (want != "") {
			t.Errorf("port %d: network %q, %v; want %q", port, id, ok, want)
		}
	}
}

func TestPlacesAreOrdered(t *testing.T) {
	a := netinfo.Place{Port: 1, Addr: netip.MustParseAddr("172.17.0.3")}
	b := netinfo.Place{Port: 2, Addr: netip.MustParseAddr("172.17.0.2")}
	if a.Compare(b) >= 0 || b.Compare(a) <= 0 || a.Compare(a) != 0 {
		t.Error("places are ordered by port first")
	}
}
