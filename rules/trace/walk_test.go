package trace

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
)

// naive is the same walk by recursion: a chain either decides or is returned
// from, and Goto is a return of what the other chain does.
func naive(rs *rules.Ruleset, name string, p Packet) Verdict {
	c, _ := rs.Chain(name)
	for _, r := range c.Rules {
		if len(r.Match) > 0 && p.DstPort != r.Match[0].(rules.DestPort).Lo {
			continue
		}
		switch r.Verdict.Kind {
		case rules.Drop:
			return Drop
		case rules.Reject:
			return Reject
		case rules.Return, rules.Unstamp:
			return Pass
		case rules.Goto:
			return naive(rs, r.Verdict.Chain, p)
		case rules.Jump:
			if v := naive(rs, r.Verdict.Chain, p); v != Pass {
				return v
			}
		}
	}
	return Pass
}

func chains(t *rapid.T) rules.Ruleset {
	const n = 6
	rs := rules.Ruleset{Hooks: []rules.Hook{{Base: rules.BaseInput, Chain: "C0"}}}
	for i := range n {
		c := rules.Chain{Name: fmt.Sprint("C", i)}
		for range rapid.IntRange(0, 5).Draw(t, "rules") {
			r := rules.Rule{Verdict: rules.Verdict{Kind: rapid.SampledFrom(rules.VerdictKinds()).Draw(t, "verdict")}}
			if rapid.Bool().Draw(t, "matches") {
				port := rapid.Uint16Range(0, 2).Draw(t, "port")
				r.Match = []rules.Match{rules.DestPort{Lo: port, Hi: port}}
			}
			if r.Verdict.Kind == rules.Jump || r.Verdict.Kind == rules.Goto {
				if i == n-1 {
					continue
				}
				r.Verdict.Chain = fmt.Sprint("C", rapid.IntRange(i+1, n-1).Draw(t, "to"))
			}
			c.Rules = append(c.Rules, r)
		}
		rs.Chains = append(rs.Chains, c)
	}
	return rs
}

func TestWalkIsTheNaiveOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs := chains(t)
		m := New(rs)
		for port := range uint16(3) {
			p := dialled()
			p.DstPort = port
			got := m.Run(p, rules.BaseInput)
			if want := naive(&rs, "C0", p); got.Verdict != want {
				t.Fatalf("verdict = %s, want %s; steps %+v", got.Verdict, want, got.Steps)
			}
			if short := m.Verdict(p, rules.BaseInput); short.Verdict != got.Verdict {
				t.Fatalf("Verdict = %s, Run = %s", short.Verdict, got.Verdict)
			}
		}
	})
}

func addr4(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// A million members and a hundred thousand packets take seconds, and each
// answer is the one that is right by arithmetic.
func TestAMillionMembers(t *testing.T) {
	if testing.Short() {
		t.Skip("indexes a million members")
	}
	const members, packets = 1_000_000, 100_000
	set := rules.Set{Name: "big", Type: rules.HashNet}
	for i := range uint32(members) {
		set.Members = append(set.Members, rules.Member{Prefix: netip.PrefixFrom(addr4(2*i<<8), 24)})
	}
	var rs rules.Ruleset
	rs.Sets = []rules.Set{set}
	rs.Hooks = []rules.Hook{{Base: rules.BaseInput, Chain: "C"}}
	rs.Chains = []rules.Chain{{Name: "C"}}
	for i := range 100 {
		rs.Chains[0].Rules = append(rs.Chains[0].Rules, rules.Rule{Verdict: rules.Verdict{Kind: rules.Return}, Match: []rules.Match{
			rules.Proto{Proto: netinfo.TCP}, rules.DestPort{Lo: uint16(1000 + i), Hi: uint16(1000 + i)}}})
	}
	rs.Chains[0].Rules = append(rs.Chains[0].Rules, rules.Rule{Verdict: rules.Verdict{Kind: rules.Drop},
		Match: []rules.Match{rules.InSet{Set: "big", Dims: []rules.Dim{rules.Src}}}})
	start := time.Now()
	m := New(rs)
	made := time.Since(start)
	rnd := rand.New(rand.NewPCG(1, 2))
	for range packets {
		n := rnd.Uint32() >> 3
		p := dialled()
		p.Src = addr4(n)
		want := Pass
		if n>>8%2 == 0 && n>>9 < members {
			want = Drop
		}
		if got := m.Verdict(p, rules.BaseInput).Verdict; got != want {
			t.Fatalf("%s: %s, want %s", p.Src, got, want)
		}
	}
	t.Logf("index %v, then %v a packet", made, (time.Since(start)-made)/packets)
}
