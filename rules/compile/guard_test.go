package compile_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
)

// guardedHost has a network with two containers, an image build and a NIC on its bridge,
// and a second network with one container.
func guardedHost() netinfo.Snapshot {
	veth := func(index, master int, name, peer string) netinfo.Link {
		return netinfo.Link{Index: index, Name: name, Kind: "veth", Master: master, Peer: peer}
	}
	build := veth(13, 2, "veth13", "02:42:ac:12:00:09")
	build.Stray = true
	byHand := veth(16, 2, "veth16", "")
	byHand.Stray = true
	endpoint := func(network, mac, addr string) netinfo.Endpoint {
		return netinfo.Endpoint{NetworkID: network, MAC: mac, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
	}
	return netinfo.Snapshot{
		Networks: []netinfo.Network{{ID: "a", Name: "front", Driver: "bridge", Bridge: "br-a"}, {ID: "b", Name: "back", Driver: "bridge", Bridge: "br-b"}},
		Links: []netinfo.Link{{Index: 2, Name: "br-a", Kind: "bridge", Addrs: []netip.Prefix{netip.MustParsePrefix("172.18.0.1/16")}}, {Index: 3, Name: "br-b", Kind: "bridge"},
			veth(11, 2, "veth11", "02:42:ac:12:00:02"), veth(12, 2, "veth12", "02:42:ac:12:00:03"), build, veth(14, 3, "veth14", "02:42:ac:13:00:02"),
			{Index: 15, Name: "eth1", Master: 2}, byHand, veth(17, 2, "veth17", "02:42:ac:12:00:11")},
		Containers: []netinfo.Container{
			{ID: "1", Name: "web", Endpoints: []netinfo.Endpoint{endpoint("a", "02:42:ac:12:00:02", "172.18.0.2")}},
			{ID: "2", Name: "vpn", Endpoints: []netinfo.Endpoint{endpoint("a", "02:42:ac:12:00:03", "172.18.0.3")}},
			{ID: "3", Name: "db", Endpoints: []netinfo.Endpoint{endpoint("b", "02:42:ac:13:00:02", "172.19.0.2")}},
			{ID: "4", Name: "keepalived", SharesWith: "1"},
		},
	}
}

// What the ports of a host may send where one network allows spoofing.
func TestGuard(t *testing.T) {
	must := func(text string) rules.MAC {
		m, err := rules.ParseMAC(text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	webMAC, vpnMAC, extra := must("02:42:ac:12:00:02"), must("02:42:ac:12:00:03"), must("00:00:5e:00:01:0a")
	p := policy.Policy{LogDenied: true, Defaults: policy.Defaults{Spoofing: policy.Deny}, Networks: []policy.Network{{Name: "back", Spoofing: policy.Allow}},
		Spoofing: []*policy.Spoofing{
			{Name: "clients", Of: []*policy.Selector{{Names: []string{"vpn"}}}, Addresses: policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24"), netip.MustParsePrefix("10.8.0.7/32")}}},
			{Name: "vrrp", Of: []*policy.Selector{{Names: []string{"keepalived"}}}, MACs: []rules.MAC{extra}},
		}}
	sender := func(port int, m rules.MAC, addr string) rules.Sender {
		return rules.Sender{Station: rules.Station{Port: port, MAC: m}, Addr: netip.MustParseAddr(addr)}
	}
	want := rules.Guard{On: true, HoldUnknown: true, Group: compile.LogGroup, Prefix: "dockwall:spoof", Free: []int{14, 15, 16},
		Senders: []rules.Sender{sender(11, extra, "172.18.0.2"), sender(11, extra, "fe80::42:acff:fe12:2"), sender(11, webMAC, "172.18.0.2"), sender(11, webMAC, "fe80::42:acff:fe12:2"),
			sender(12, vpnMAC, "172.18.0.3"), sender(12, vpnMAC, "fe80::42:acff:fe12:3")},
		Allowances: []rules.Allowance{{Name: "clients", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24")}, Stations: []rules.Station{{Port: 12, MAC: vpnMAC}}}},
		Strays:     []rules.Station{{Port: 13, MAC: must("02:42:ac:12:00:09")}}, Hosts: []netip.Addr{netip.MustParseAddr("172.18.0.1")}}
	byValue := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, compile.Frames(p, guardedHost()).Guard, byValue, prefixes); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	p.Defaults.Spoofing = policy.Allow
	if got := compile.Frames(p, guardedHost()).Guard; got.On {
		t.Errorf("spoofing is allowed everywhere, and the guard is %+v", got)
	}
	p.Networks[0].Spoofing = policy.Deny
	if got := compile.Frames(p, guardedHost()).Guard; !got.On || len(got.Senders) != 2 || len(got.Free) != 6 {
		t.Errorf("spoofing is denied on back alone, and the guard is %+v", got)
	}
}
