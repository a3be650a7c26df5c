package nftables

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/nft"
)

// The latch as nft prints it. The kernel's own listing of the same statements is in
// agent/kernel's tests.
const latch = `chain to
	oifname "br-lan" return
	oifname "virbr0" return
	oifname "docker0" counter packets 0 bytes 0 drop
	oifname "br-*" counter packets 0 bytes 0 drop
	meta oifkind "bridge" counter packets 0 bytes 0 drop
	oifname "eth*" return
	counter packets 0 bytes 0 drop
chain ports
	ip saddr 192.0.2.8/30 return
	ip6 saddr 2001:db8::/62 return
	ip saddr 198.51.100.7 return
	counter packets 0 bytes 0 drop
chain forward hook 2 priority 51
	ct status confirmed return
	ct state ! related,new return
	meta priority 646f:7700 meta priority set none return
	iifname "br-lan" goto to
	iifname "br-wan" goto to
	iifname "docker0" counter packets 0 bytes 0 drop
	iifname "br-*" counter packets 0 bytes 0 drop
	goto to
chain output hook 3 priority 51
	ct status confirmed return
	ct state ! related,new return
	oifname "lo" return
	meta priority 646f:7700 meta priority set none return
	goto to
chain input hook 1 priority 51
	ct status confirmed return
	ct state ! related,new return
	iifname "lo" return
	tcp dport 2375-2376 goto ports
`

func TestLatch(t *testing.T) {
	l := rules.Latch{
		NotDocker: []rules.Interface{{Name: "br-lan"}}, Docker: []rules.Interface{{Name: "docker0"}, {Name: "br-", Prefix: true}},
		Uplinks: []rules.Interface{{Name: "br-wan"}}, Bridges: []rules.Interface{{Name: "virbr0"}},
		Elsewhere: []rules.Interface{{Name: "eth", Prefix: true}}, Ports: []rules.PortRange{{Lo: 2375, Hi: 2376}},
		From: []netip.Prefix{netip.MustParsePrefix("192.0.2.8/30"), netip.MustParsePrefix("2001:db8::/62"), netip.MustParsePrefix("198.51.100.7/32")},
	}
	chains, err := LatchChains(l.Ruleset())
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range chains {
		b.WriteString("chain " + c.Name)
		if c.Hook != nil {
			fmt.Fprintf(&b, " hook %d priority %d", c.Hook.Point, c.Hook.Priority)
		}
		b.WriteString("\n")
		for _, r := range c.Rules {
			b.WriteString("\t" + r.String() + "\n")
		}
	}
	if d := cmp.Diff(latch, b.String()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	l.Tight = true
	tight, err := LatchChains(l.Ruleset())
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(tight[3].Rules); strings.Contains(got, "priority") {
		t.Errorf("tight, a stamp still opens OUTPUT: %s", got)
	}
}

// eval is what the kernel does with the statements before a verdict, for one register.
func eval(ss nft.Statements, field map[nft.Field][]byte) bool {
	for _, s := range ss {
		t, ok := s.(nft.Test)
		if !ok {
			continue
		}
		have := bytes.Clone(field[t.Field])
		for i := range t.Mask {
			have[i] &= t.Mask[i]
		}
		hit := len(have) >= len(t.Data) && bytes.Equal(have[:len(t.Data)], t.Data)
		if t.To != nil {
			hit = bytes.Compare(have, t.Data) >= 0 && bytes.Compare(have, t.To) <= 0
		}
		if hit == t.Not {
			return false
		}
	}
	return true
}

// Each match holds for the register values that the kernel would have.
func TestMatchesHold(t *testing.T) {
	prefix := netip.MustParsePrefix
	addr := func(s string) []byte { return netip.MustParseAddr(s).AsSlice() }
	in, out, kind := nft.Field{Key: nft.MetaIIFName}, nft.Field{Key: nft.MetaOIFName}, nft.Field{Key: nft.MetaOIFKind}
	state, status := nft.Field{From: nft.Conntrack, Key: nft.CtState}, nft.Field{From: nft.Conntrack, Key: nft.CtStatus}
	family := nft.Field{Key: nft.MetaNFProto}
	from4, from6 := nft.Field{From: nft.NetworkHeader, Offset: 12, Len: 4}, nft.Field{From: nft.NetworkHeader, Offset: 8, Len: 16}
	port := nft.Field{From: nft.TransportHeader, Offset: 2, Len: 2}
	fresh := rules.Conn{States: []rules.ConnState{rules.StateNew, rules.StateRelated}}
	old := rules.Conn{States: fresh.States, NotStates: true}
	for _, tt := range []struct {
		match rules.Match
		field map[nft.Field][]byte
		want  bool
	}{
		{rules.InInterface{Name: "eth0"}, map[nft.Field][]byte{in: padded("eth0")}, true},
		{rules.InInterface{Name: "eth0"}, map[nft.Field][]byte{in: padded("eth01")}, false},
		{rules.InInterface{Name: "eth", Prefix: true}, map[nft.Field][]byte{in: padded("eth01")}, true},
		{rules.OutInterface{Name: "br-", Prefix: true}, map[nft.Field][]byte{out: padded("docker0")}, false},
		{rules.OutBridge{}, map[nft.Field][]byte{kind: padded("bridge")}, true},
		{rules.OutBridge{}, map[nft.Field][]byte{kind: padded("bridge_slave")}, false},
		{rules.OutBridge{}, map[nft.Field][]byte{kind: padded("veth")}, false},
		{rules.Confirmed{}, map[nft.Field][]byte{status: word(1<<3 | 1<<1)}, true},
		{rules.Confirmed{}, map[nft.Field][]byte{status: word(1 << 1)}, false},
		{rules.Stamped{}, map[nft.Field][]byte{{Key: nft.MetaPriority}: word(rules.StampClass)}, true},
		{rules.Stamped{}, map[nft.Field][]byte{{Key: nft.MetaPriority}: word(0)}, false},
		{fresh, map[nft.Field][]byte{state: word(1 << 3)}, true},
		{fresh, map[nft.Field][]byte{state: word(1 << 2)}, true},
		{fresh, map[nft.Field][]byte{state: word(1 << 1)}, false},
		{old, map[nft.Field][]byte{state: word(1 << 3)}, false},
		{old, map[nft.Field][]byte{state: word(1 << 0)}, true},
		{old, map[nft.Field][]byte{state: word(1 << 6)}, true},
		{rules.Source{Prefix: prefix("10.1.0.0/15")}, map[nft.Field][]byte{family: {2}, from4: addr("10.0.255.1")}, true},
		{rules.Source{Prefix: prefix("10.0.0.0/15")}, map[nft.Field][]byte{family: {2}, from4: addr("10.2.0.1")}, false},
		{rules.Source{Prefix: prefix("10.0.0.0/15")}, map[nft.Field][]byte{family: {10}, from4: addr("10.0.0.1")}, false},
		{rules.Source{Prefix: prefix("0.0.0.0/0")}, map[nft.Field][]byte{family: {2}, from4: addr("203.0.113.9")}, true},
		{rules.Source{Prefix: prefix("2001:db8::/33")}, map[nft.Field][]byte{family: {10}, from6: addr("2001:db8:7fff::1")}, true},
		{rules.Source{Prefix: prefix("2001:db8::/33")}, map[nft.Field][]byte{family: {10}, from6: addr("2001:db8:8000::1")}, false},
		{rules.Proto{Proto: netinfo.TCP}, map[nft.Field][]byte{{Key: nft.MetaL4Proto}: {6}}, true},
		{rules.Proto{Proto: netinfo.TCP}, map[nft.Field][]byte{{Key: nft.MetaL4Proto}: {17}}, false},
		{rules.DestPort{Lo: 2375, Hi: 2376}, map[nft.Field][]byte{port: {0x09, 0x48}}, true},
		{rules.DestPort{Lo: 2375, Hi: 2376}, map[nft.Field][]byte{port: {0x09, 0x49}}, false},
		{rules.DestPort{Lo: 255, Hi: 256}, map[nft.Field][]byte{port: {0x01, 0x00}}, true},
	} {
		ss, err := Match(tt.match)
		if err != nil {
			t.Fatal(err)
		}
		if got := eval(ss, tt.field); got != tt.want {
			t.Errorf("%T%+v of %v: %v, want %v", tt.match, tt.match, tt.field, got, tt.want)
		}
	}
}

// What cannot be rendered is an error with its place, never a rule that holds for
// other packets.
func TestUnrendered(t *testing.T) {
	office := netip.MustParsePrefix("192.0.2.0/24")
	for _, m := range []rules.Match{
		rules.InInterface{Name: "eth0", Not: true}, rules.OutInterface{Name: "eth0", Not: true}, rules.Source{Prefix: office, Not: true},
		rules.Destination{Prefix: office}, rules.Proto{Proto: netinfo.UDP}, rules.InSet{Set: "s"}, rules.Limit{Rate: 1, Burst: 1}, rules.Syn{},
		rules.ICMPType{Type: 8}, rules.SourceMAC{MAC: "02:42:ac:11:00:02"}, rules.InBridgePort{Name: "veth0"},
		rules.Conn{Original: true}, rules.Conn{States: []rules.ConnState{rules.StateNew}, Original: true},
		rules.Conn{States: []rules.ConnState{rules.StateDNAT}}, rules.Conn{States: []rules.ConnState{rules.StateNew}, OrigDestLo: 1, OrigDestHi: 2},
	} {
		rs := rules.Latch{}.Ruleset()
		rs.Chains[1].Rules[1].Match = []rules.Match{m}
		if _, err := LatchChains(rs); err == nil || !strings.HasPrefix(err.Error(), "chain forward, rule 2: rules.") {
			t.Errorf("%T%+v: %v", m, m, err)
		}
	}
	for _, k := range []rules.VerdictKind{rules.Log, rules.Reject, rules.Stamp} {
		rs := rules.Latch{}.Ruleset()
		rs.Chains[0].Rules[0].Verdict.Kind = k
		if _, err := LatchChains(rs); err == nil || !strings.Contains(err.Error(), "chain to, rule 1: the verdict "+string(k)) {
			t.Errorf("%s: %v", k, err)
		}
	}
	rs := rules.Latch{}.Ruleset()
	rs.Hooks[1].Chain = rs.Hooks[0].Chain
	if _, err := LatchChains(rs); err == nil || !strings.Contains(err.Error(), "is entered from FORWARD and OUTPUT") {
		t.Errorf("one chain for two hooks: %v", err)
	}
	rs.Hooks[0].Latch = false
	if _, err := LatchChains(rs); err == nil || !strings.Contains(err.Error(), "is not the latch's") {
		t.Errorf("a hook of a policy: %v", err)
	}
}
