package picture_test

import (
	"fmt"
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/picture"
	"dockwall/rules/policy"
)

// crowd is a host with that many containers in networks of that size, each with a port of
// its own, and a policy of twenty blocks.
func crowd(n, size int) (netinfo.Snapshot, policy.Policy) {
	s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Known: true},
		Links: []netinfo.Link{
			{Index: 1, Name: "lo", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
			{Index: 2, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8:1::1/64")}},
			{Index: 3, Name: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}}}}
	for i := range n {
		k := i / size
		id := fmt.Sprint("n", k)
		if i%size == 0 {
			subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(20 + k), 0, 0}), 16)
			s.Links = append(s.Links, netinfo.Link{Index: 100 + k, Name: "br-" + id, Kind: "bridge"})
			s.Networks = append(s.Networks, netinfo.Network{ID: id, Name: "net-" + id, Driver: "bridge", Bridge: "br-" + id, Subnets: []netip.Prefix{subnet}, Mode4: "nat", Mode6: "nat"})
		}
		a := netip.AddrFrom4([4]byte{172, byte(20 + k), byte(i % size / 200), byte(2 + i%size%200)})
		s.Containers = append(s.Containers, netinfo.Container{ID: fmt.Sprint("x", i), Name: fmt.Sprint("app-", i), State: "running",
			Endpoints: []netinfo.Endpoint{{NetworkID: id, Addrs: []netip.Addr{a}}},
			Ports:     []netinfo.PublishedPort{{HostPort: uint16(10000 + i), HostPortEnd: uint16(10000 + i), Proto: netinfo.TCP, ContainerPort: 80}}})
	}
	s.Normalize()
	p := policy.Policy{DenyWith: policy.DenyDrop, LogDenied: true, Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Deny, Egress: policy.Allow, Host: policy.Allow}}
	office := &policy.Addresses{Name: "office", Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}
	p.Addresses = []*policy.Addresses{office}
	for i := range 20 {
		sel := []*policy.Selector{{Name: fmt.Sprint("s", i), Names: []string{fmt.Sprintf("app-%d*", 10+i)}}}
		p.Containers = append(p.Containers, sel...)
		p.Published = append(p.Published, &policy.Published{Name: fmt.Sprint("p", i), To: sel, From: policy.AddressList{Refs: []*policy.Addresses{office}},
			Origin: rules.Origin{Subject: rules.Subject{Kind: rules.KindPublished, Name: fmt.Sprint("p", i)}, File: "agent.hcl", Line: 10 + i}})
	}
	return s, p
}

// BenchmarkOf makes the picture of a host of a thousand containers, in networks of twenty
// and in a single one.
func BenchmarkOf(b *testing.B) {
	for _, size := range []int{20, 1000} {
		for _, between := range []policy.Action{policy.Allow, policy.Deny} {
			b.Run(fmt.Sprintf("networks of %d, between %s", size, between), func(b *testing.B) {
				s, p := crowd(1000, size)
				p.Defaults.Between = between
				p.Between = []*policy.Between{{Name: "b", From: p.Containers[:2], To: p.Containers[2:5], Ports: []policy.Ports{{Proto: netinfo.TCP, Lo: 80, Hi: 80}},
					Origin: rules.Origin{Subject: rules.Subject{Kind: rules.KindBetween, Name: "b"}, File: "agent.hcl", Line: 4}}}
				rs, _ := compile.Compile(p, s)
				b.ResetTimer()
				for range b.N {
					if len(picture.Of(p, s, rs).Gates) == 0 {
						b.Fatal("no gate")
					}
				}
			})
		}
	}
}
