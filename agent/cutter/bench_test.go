package cutter

import (
	"net/netip"
	"testing"

	"dockwall/netinfo/hostnet"
	"dockwall/rules/policy"
)

// BenchmarkJudge judges ten thousand flows of as many clients, of every kind,
// on a host with a hundred containers.
func BenchmarkJudge(b *testing.B) {
	s := town()
	for i := range 100 {
		c := s.Containers[0]
		c.ID += string(rune('a' + i))
		s.Containers = append(s.Containers, c)
	}
	m, _ := machine(b, open(func(p *policy.Policy) {
		p.Published[0].From = policy.AddressList{Literals: prefixes("192.0.2.0/24", "10.0.0.0/9")}
	}), s)
	kinds := []string{wanDNAT, wanProxy, outgoing, sameBridge, through}
	flows := make([]hostnet.Flow, 10_000)
	for i := range flows {
		flows[i] = flow(b, kinds[i%len(kinds)])
		if i%len(kinds) < 2 {
			client := netip.AddrFrom4([4]byte{10, byte(i >> 6), byte(i), 1})
			flows[i].Original.Src, flows[i].Reply.Dst = client, client
		}
	}
	for b.Loop() {
		Judge(m, s, routes, flows)
	}
}
