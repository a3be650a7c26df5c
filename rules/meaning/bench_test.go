package meaning_test

import (
	"fmt"
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
)

// crowd is a host with that many containers in networks of twenty, each with a port of
// its own, and a policy of twenty blocks.
func crowd(n int) (netinfo.Snapshot, policy.Policy) {
	s := host()
	for i := range n {
		k := i / 20
		id := fmt.Sprint("n", k)
		if i%20 == 0 {
			subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 20, byte(k), 0}), 24)
			s.Links = append(s.Links, netinfo.Link{Index: 100 + k, Name: "br-" + id, Kind: "bridge"})
			s.Networks = append(s.Networks, netinfo.Network{ID: id, Name: "net-" + id, Driver: "bridge", Bridge: "br-" + id, Subnets: []netip.Prefix{subnet}, Mode4: "nat", Mode6: "nat"})
		}
		a := netip.AddrFrom4([4]byte{172, 20, byte(k), byte(2 + i%20)})
		s.Containers = append(s.Containers, netinfo.Container{ID: fmt.Sprint("x", i), Name: fmt.Sprint("app-", i), State: "running",
			Endpoints: []netinfo.Endpoint{{NetworkID: id, Addrs: []netip.Addr{a}}},
			Ports:     []netinfo.PublishedPort{{HostPort: uint16(10000 + i), HostPortEnd: uint16(10000 + i), Proto: netinfo.TCP, ContainerPort: 80}}})
	}
	s.Normalize()
	p := usual()
	p.Addresses = []*policy.Addresses{office, ops}
	for i := range 20 {
		sel := []*policy.Selector{{Name: fmt.Sprint("s", i), Names: []string{fmt.Sprintf("app-%d*", 10+i)}}}
		p.Containers = append(p.Containers, sel...)
		p.Published = append(p.Published, &policy.Published{Name: fmt.Sprint("p", i), To: sel, From: of(office), Origin: in(fmt.Sprint("published.p", i), 10+i)})
	}
	p.Defaults.Between = policy.Deny
	return s, p
}

// BenchmarkFirstApply compares an empty kernel with the policy of a host of a thousand
// containers, which a person waits for.
func BenchmarkFirstApply(b *testing.B) {
	s, p := crowd(1000)
	after, _ := compile.Compile(p, s)
	b.ResetTimer()
	for range b.N {
		d := meaning.Compare(rules.Ruleset{}, after, s, meaning.Options{Policy: p})
		if len(d.Table) == 0 || len(d.LeftOut) > 0 {
			b.Fatalf("%d entries, left out %q", len(d.Table), d.LeftOut)
		}
	}
}
