package nftables_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/backend/nftables"
)

// long is a ruleset with one list of so many prefixes.
func long(n int) rules.Ruleset {
	ms := make([]rules.Member, n)
	for i := range ms {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 0x0a000000+uint32(i)<<8)
		ms[i].Prefix = netip.PrefixFrom(netip.AddrFrom4(a), 24)
	}
	s := rules.Set{Name: rules.ContentName("a", rules.HashNet, ms), Type: rules.HashNet, Members: ms}
	return rules.Ruleset{Sets: []rules.Set{s}, Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "DOCKWALL-FORWARD"}},
		Chains: []rules.Chain{{Name: "DOCKWALL-FORWARD", Rules: []rules.Rule{
			{Match: []rules.Match{rules.InSet{Set: s.Name, Dims: []rules.Dim{rules.Src}}}, Verdict: rules.Verdict{Kind: rules.Return}}, {Verdict: rules.Verdict{Kind: rules.Drop}}}}}}
}

// BenchmarkDiff compares a ruleset of 100,000 prefixes with nothing (first), with what it
// wrote (again), and with one of a prefix more (edited), in both backends.
func BenchmarkDiff(b *testing.B) {
	few, many := long(100000), long(100001)
	for _, be := range []backend.Backend{iptables.New(iptables.Options{Variant: iptables.NFT, Guard: true}), nftables.Backend{}} {
		_, have := be.Diff(few, nil)
		for name, run := range map[string]func(){"first": func() { be.Diff(few, nil) }, "again": func() { be.Diff(few, have) }, "edited": func() { be.Diff(many, have) }} {
			b.Run(be.Name()+"/"+name, func(b *testing.B) {
				for b.Loop() {
					run()
				}
			})
		}
	}
}
