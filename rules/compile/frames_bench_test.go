package compile_test

import (
	"fmt"
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
)

// BenchmarkFrames is what every pass compiles on a host with 1,000 containers.
func BenchmarkFrames(b *testing.B) {
	s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Known: true}, Networks: []netinfo.Network{{ID: "a", Name: "a", Bridge: "br-a"}},
		Links: []netinfo.Link{{Index: 3, Name: "br-a", Kind: "bridge"}}}
	for i := range 1000 {
		mac := fmt.Sprintf("02:42:00:00:%02x:%02x", i>>8, i&255)
		s.Links = append(s.Links, netinfo.Link{Index: 10 + i, Name: fmt.Sprint("veth", i), Kind: "veth", Master: 3, Peer: mac})
		s.Containers = append(s.Containers, netinfo.Container{ID: mac, Name: mac, State: "running", Endpoints: []netinfo.Endpoint{
			{NetworkID: "a", MAC: mac, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{172, 18, byte(i >> 8), byte(i)})}}}})
	}
	for b.Loop() {
		compile.Frames(policy.Policy{}, s)
	}
}
