package compile_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
)

// bridged is a host with two Docker networks, a libvirt bridge, a bridge that the
// engine was not asked about, and a port that no endpoint is behind.
func bridged() netinfo.Snapshot {
	addr := netip.MustParseAddr
	return netinfo.Snapshot{
		Engine: netinfo.Engine{Connected: true, Known: true},
		Networks: []netinfo.Network{
			{ID: "a", Name: "open", Bridge: "br-aaaaaaaaaaaa"}, {ID: "b", Name: "shut", Bridge: "br-bbbbbbbbbbbb"}, {ID: "m", Name: "lan", Driver: "macvlan"}},
		Links: []netinfo.Link{
			{Index: 2, Name: "eth0"}, {Index: 3, Name: "br-aaaaaaaaaaaa", Kind: "bridge"}, {Index: 4, Name: "br-bbbbbbbbbbbb", Kind: "bridge"},
			{Index: 5, Name: "virbr0", Kind: "bridge"}, {Index: 6, Name: "new", Kind: "bridge", Unplaced: true},
			{Index: 10, Name: "veth0", Master: 3, Peer: "02:42:00:00:00:01"}, {Index: 11, Name: "veth1", Master: 4, Peer: "02:42:00:00:00:02"},
			{Index: 12, Name: "veth2", Master: 3}, {Index: 13, Name: "vnet0", Master: 5}, {Index: 14, Name: "tap0", Master: 6}},
		Containers: []netinfo.Container{
			{ID: "1", Name: "one", State: "running", Endpoints: []netinfo.Endpoint{
				{NetworkID: "a", MAC: "02:42:00:00:00:01", Addrs: []netip.Addr{addr("172.18.0.2"), addr("2001:db8::2")}},
				{NetworkID: "b", MAC: "02:42:00:00:00:02", Addrs: []netip.Addr{addr("172.19.0.2")}}}},
			{ID: "2", Name: "two", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "a", MAC: "02:42:00:00:00:03", Addrs: []netip.Addr{addr("172.18.0.3")}}}},
			{ID: "3", Name: "three", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "m", MAC: "02:42:00:00:00:01", Addrs: []netip.Addr{addr("192.0.2.7")}}}}},
	}
}

func place(port int, addr string) netinfo.Place {
	return netinfo.Place{Port: port, Addr: netip.MustParseAddr(addr)}
}

// TestFrames: an address belongs to its port only if that is known; the ports of
// other programs' bridges are foreign, those of bridges in the making are not.
func TestFrames(t *testing.T) {
	want := rules.Frames{
		Places:  []netinfo.Place{place(10, "172.18.0.2"), place(10, "2001:db8::2"), place(11, "172.19.0.2")},
		Foreign: []int{13},
	}
	if diff := cmp.Diff(want, compile.Frames(policy.Policy{Defaults: allAllowed()}, bridged()), byValue, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want.NoTags, want.Tagged = true, []int{10, 12}
	shut := policy.Policy{Defaults: allAllowed(), Networks: []policy.Network{{Name: "shut", Between: policy.Deny}}}
	if diff := cmp.Diff(want, compile.Frames(shut, bridged()), byValue, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("with a network that isolates, -want +got:\n%s", diff)
	}
}

func allAllowed() policy.Defaults {
	return policy.Defaults{Published: policy.Allow, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow}
}

var byValue = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// TestFramesTellsWhatDiffers: members of sets move in place, everything else
// takes other rules.
func TestFramesTellsWhatDiffers(t *testing.T) {
	f := compile.Frames(policy.Policy{Defaults: allAllowed()}, bridged())
	g := f
	g.Places = g.Places[1:]
	if f.Equal(g) || !f.SameRules(g) || !f.Equal(f) {
		t.Error("a place less: want the same rules, and unequal")
	}
	g.NoTags = true
	if f.SameRules(g) {
		t.Error("tags are dropped: want other rules")
	}
}
