package trace

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
)

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func ip(s string) netip.Addr    { return netip.MustParseAddr(s) }

// dialled is a TCP packet after DNAT, from which the cases differ.
func dialled() Packet {
	return Packet{In: "eth0", Out: "docker0", Src: ip("203.0.113.7"), Dst: ip("172.17.0.2"), Proto: netinfo.TCP,
		SrcPort: 40000, DstPort: 80, Syn: true, SrcMAC: "02:42:ac:11:00:02", InPort: "veth1",
		Conn: Conn{State: rules.StateNew, DNAT: true, Original: true, OrigDst: ip("192.0.2.1"), OrigDstPort: 8080}}
}

func icmp(p *Packet) { p.Proto = netinfo.ICMP }
func redirect(p *Packet) {
	icmp(p)
	p.ICMPType = 5
}
func invalid(p *Packet) { p.Conn = Conn{State: rules.StateInvalid} }
func v6(p *Packet)      { p.Src, p.Dst = ip("2001:db8::7"), ip("fd00::2") }
func unknown(f Field) func(*Packet) {
	return func(p *Packet) { p.Unknown = f }
}

type matchCase struct {
	match rules.Match
	edit  func(*Packet)
	want  Outcome
}

func linkCases() []matchCase {
	return []matchCase{
		{rules.InInterface{Name: "eth0"}, nil, Hit},
		{rules.InInterface{Name: "eth1"}, nil, Miss},
		{rules.InInterface{Name: "eth0", Not: true}, nil, Miss},
		{rules.InInterface{Name: "et", Prefix: true}, nil, Hit},
		{rules.InInterface{Name: "et"}, nil, Miss},
		{rules.InInterface{Prefix: true}, unknown(FieldIn), Hit},
		{rules.InInterface{Name: "eth0", Not: true}, unknown(FieldIn), Unknown},
		{rules.OutInterface{Name: "docker0"}, nil, Hit},
		{rules.OutInterface{Name: "br-", Prefix: true}, nil, Miss},
		{rules.OutInterface{Name: "docker0"}, func(p *Packet) { p.Out = "" }, Miss},
		{rules.OutInterface{Name: "docker0", Not: true}, func(p *Packet) { p.Out = "" }, Hit},
		{rules.OutInterface{Name: "docker0"}, unknown(FieldOut), Unknown},
		{rules.SourceMAC{MAC: "02:42:AC:11:00:02"}, nil, Hit},
		{rules.SourceMAC{MAC: "02:42:ac:11:00:03"}, nil, Miss},
		{rules.SourceMAC{MAC: "02:42:ac:11:00:03", Not: true}, nil, Hit},
		{rules.SourceMAC{MAC: "02:42:ac:11:00:03"}, unknown(FieldSrcMAC), Unknown},
		{rules.InBridgePort{Name: "veth1"}, nil, Hit},
		{rules.InBridgePort{Name: "veth2"}, nil, Miss},
		{rules.InBridgePort{Name: "veth2", Not: true}, nil, Hit},
		{rules.InBridgePort{Name: "veth2"}, unknown(FieldInPort), Unknown},
		{rules.Limit{Rate: 5, Burst: 5}, nil, Unknown},
		{rules.OutBridge{}, func(p *Packet) { p.OutBridge = true }, Hit},
		{rules.OutBridge{}, nil, Miss},
		{rules.OutBridge{}, unknown(FieldOut), Unknown},
		{rules.Stamped{}, func(p *Packet) { p.Stamped = true }, Hit},
		{rules.Stamped{}, nil, Miss},
		{rules.Stamped{}, unknown(FieldStamped), Unknown},
		{rules.Confirmed{}, func(p *Packet) { p.Conn.State = rules.StateEstablished }, Hit},
		{rules.Confirmed{}, func(p *Packet) { p.Conn = Conn{State: rules.StateRelated, Confirmed: true} }, Hit},
		{rules.Confirmed{}, nil, Miss},
		{rules.Confirmed{}, func(p *Packet) { p.Conn = Conn{State: rules.StateInvalid, Confirmed: true} }, Miss},
		{rules.Confirmed{}, unknown(FieldState), Unknown},
	}
}

func addressCases() []matchCase {
	return []matchCase{
		{rules.Source{Prefix: pfx("203.0.113.0/24")}, nil, Hit},
		{rules.Source{Prefix: pfx("203.0.113.0/24"), Not: true}, nil, Miss},
		{rules.Source{Prefix: pfx("198.51.100.0/24")}, nil, Miss},
		{rules.Source{Prefix: pfx("198.51.100.0/24"), Not: true}, nil, Hit},
		{rules.Source{Prefix: pfx("2001:db8::/32"), Not: true}, nil, Miss}, // not rendered for IPv4
		{rules.Source{Prefix: pfx("2001:db8::/32")}, v6, Hit},
		{rules.Source{Prefix: pfx("0.0.0.0/0")}, unknown(FieldSrc), Hit},
		{rules.Source{Prefix: pfx("203.0.113.0/24")}, unknown(FieldSrc), Unknown},
		{rules.Destination{Prefix: pfx("172.17.0.2/32")}, nil, Hit},
		{rules.Destination{Prefix: pfx("192.0.2.1/32")}, nil, Miss}, // before DNAT
		{rules.Destination{Prefix: pfx("192.0.2.1/32"), Not: true}, nil, Hit},
		{rules.Destination{Prefix: pfx("172.17.0.2/32")}, unknown(FieldDst), Unknown},
		{rules.Proto{Proto: netinfo.TCP}, nil, Hit},
		{rules.Proto{Proto: netinfo.UDP}, nil, Miss},
		{rules.Proto{}, nil, Hit},
		{rules.Proto{Proto: netinfo.UDP}, unknown(FieldProto), Unknown},
		{rules.DestPort{Lo: 80, Hi: 80}, nil, Hit},
		{rules.DestPort{Lo: 70, Hi: 79}, nil, Miss},
		{rules.DestPort{Lo: 0, Hi: 65535}, icmp, Miss},
		{rules.DestPort{Lo: 80, Hi: 80}, unknown(FieldDstPort), Unknown},
		{rules.Syn{}, nil, Hit},
		{rules.Syn{Not: true}, nil, Miss},
		{rules.Syn{Not: true}, func(p *Packet) { p.Proto = netinfo.UDP }, Miss},
		{rules.Syn{}, unknown(FieldSyn), Unknown},
		{rules.Proto{Proto: netinfo.ICMP}, icmp, Hit},
		{rules.Proto{Proto: netinfo.ICMP}, func(p *Packet) { icmp(p); v6(p) }, Miss}, // not rendered for IPv6
		{rules.Proto{Proto: netinfo.ICMPv6}, func(p *Packet) { p.Proto = netinfo.ICMPv6 }, Miss},
		{rules.Proto{Proto: netinfo.ICMPv6}, unknown(FieldProto), Miss},
		{rules.ICMPType{Type: 5}, redirect, Hit},
		{rules.ICMPType{Type: 8}, redirect, Miss},
		{rules.ICMPType{Type: 5, Not: true}, redirect, Miss},
		{rules.ICMPType{Type: 8, Not: true}, redirect, Hit},
		{rules.ICMPType{Type: 8, Not: true}, nil, Miss}, // TCP has no type
		{rules.ICMPType{Type: 5}, func(p *Packet) { redirect(p); p.Unknown = FieldICMPType }, Unknown},
		{rules.ICMPType{Type: 0}, unknown(FieldProto), Unknown},
	}
}

func connCases() []matchCase {
	states := func(s ...rules.ConnState) rules.Conn { return rules.Conn{States: s} }
	return []matchCase{
		{states(rules.StateNew), nil, Hit},
		{states(rules.StateRelated, rules.StateEstablished), nil, Miss},
		{rules.Conn{States: []rules.ConnState{rules.StateEstablished}, NotStates: true}, nil, Hit},
		{states(rules.StateDNAT), nil, Hit},
		{rules.Conn{States: []rules.ConnState{rules.StateDNAT}, NotStates: true}, nil, Miss},
		{states(rules.StateDNAT), func(p *Packet) { p.Conn.DNAT = false }, Miss},
		{states(rules.StateDNAT), unknown(FieldDNAT), Unknown},
		{states(rules.StateNew, rules.StateDNAT), unknown(FieldDNAT), Hit},
		{states(rules.StateNew), unknown(FieldState), Unknown},
		{rules.Conn{Original: true}, nil, Hit},
		{rules.Conn{Original: true}, func(p *Packet) { p.Conn.Original = false }, Miss},
		{rules.Conn{Original: true}, unknown(FieldOriginal), Unknown},
		{rules.Conn{OrigDestLo: 8080, OrigDestHi: 8080}, nil, Hit},
		{rules.Conn{OrigDestLo: 80, OrigDestHi: 80}, nil, Miss},
		{rules.Conn{OrigDestLo: 1, OrigDestHi: 65535}, icmp, Miss},
		{rules.Conn{OrigDestLo: 80, OrigDestHi: 80}, unknown(FieldOrigDstPort), Unknown},
		{rules.Conn{States: []rules.ConnState{rules.StateEstablished}, OrigDestLo: 80, OrigDestHi: 80},
			unknown(FieldOrigDstPort), Miss},
		// Without a connection only the state is compared.
		{states(rules.StateInvalid), invalid, Hit},
		{rules.Conn{States: []rules.ConnState{rules.StateInvalid}, Original: true}, invalid, Hit},
		{rules.Conn{Original: true}, invalid, Miss},
		{rules.Conn{OrigDestLo: 80, OrigDestHi: 80}, invalid, Miss},
		{states(rules.StateDNAT), invalid, Miss},
		{rules.Conn{States: []rules.ConnState{rules.StateEstablished}, NotStates: true}, invalid, Hit},
		{states(rules.StateInvalid), func(p *Packet) { p.Conn.State = rules.StateUntracked }, Miss},
	}
}

func setCases() []matchCase {
	in := func(set string, dims ...rules.Dim) rules.InSet { return rules.InSet{Set: set, Dims: dims} }
	not := in("nets", rules.Src)
	not.Not = true
	return []matchCase{
		{in("nets", rules.Src), nil, Hit},
		{in("nets", rules.Dst), nil, Miss},
		{in("nets", rules.Src), v6, Hit},
		{not, nil, Miss},
		{in("nets", rules.Src), unknown(FieldSrc), Unknown},
		{in("all", rules.Src), nil, Hit},
		{in("all", rules.Src), v6, Miss},
		{rules.InSet{Set: "all", Dims: []rules.Dim{rules.Src}, Not: true}, v6, Hit},
		{in("ports", rules.Dst, rules.Dst), nil, Hit},
		{in("ports", rules.Src, rules.Dst), nil, Miss},
		{in("ports", rules.Dst, rules.Src), nil, Miss},
		{in("ports", rules.Dst, rules.Dst), func(p *Packet) { p.Proto = netinfo.UDP }, Miss},
		{in("ports", rules.Dst, rules.Dst), func(p *Packet) { p.DstPort = 81 }, Miss},
		{in("ports", rules.Dst, rules.Dst), func(p *Packet) { p.Proto = 47 }, Hit},
		{in("ports", rules.Dst, rules.Dst), icmp, Miss},
		{in("pings", rules.Dst, rules.Dst), icmp, Unknown},
		{in("ports", rules.Dst, rules.Dst), unknown(FieldDstPort), Unknown},
		{in("ports", rules.Dst, rules.Src), unknown(FieldDstPort), Miss},
	}
}

func testSets() []rules.Set {
	return []rules.Set{
		{Name: "nets", Type: rules.HashNet, Members: []rules.Member{{Prefix: pfx("203.0.113.0/24")}, {Prefix: pfx("2001:db8::/32")}}},
		{Name: "all", Type: rules.HashNet, Members: []rules.Member{{Prefix: pfx("0.0.0.0/0")}}},
		{Name: "ports", Type: rules.HashNetPort, Members: []rules.Member{
			{Prefix: pfx("172.17.0.0/16"), Proto: netinfo.TCP, Port: 80}, {Prefix: pfx("172.17.0.0/16"), Proto: 47}}},
		{Name: "pings", Type: rules.HashNetPort, Members: []rules.Member{
			{Prefix: pfx("172.17.0.0/16"), Proto: netinfo.ICMP, Port: 0x800}}},
	}
}

func matchCases() []matchCase {
	all := append(linkCases(), addressCases()...)
	return append(append(all, connCases()...), setCases()...)
}

// one runs the packet through a ruleset of one rule.
func one(m rules.Match, p Packet) Outcome {
	rs := rules.Ruleset{Sets: testSets(), Hooks: []rules.Hook{{Base: rules.BaseDockerUser, Chain: "C"}},
		Chains: []rules.Chain{{Name: "C", Rules: []rules.Rule{{Match: []rules.Match{m}, Verdict: rules.Verdict{Kind: rules.Drop}}}}}}
	return Run(rs, p, rules.BaseDockerUser).Steps[0].Outcome
}

func TestMatches(t *testing.T) {
	for i, tc := range matchCases() {
		p := dialled()
		if tc.edit != nil {
			tc.edit(&p)
		}
		t.Run(fmt.Sprintf("%d %s", i, MatchText(tc.match)), func(t *testing.T) {
			if got := one(tc.match, p); got != tc.want {
				t.Errorf("outcome = %s, want %s, for %+v", got, tc.want, p)
			}
		})
	}
}

// Every match of the sum has cases above for each outcome that it can have,
// and so has a text.
func TestEveryMatchIsHandled(t *testing.T) {
	seen := map[reflect.Type]map[Outcome]bool{}
	for _, tc := range matchCases() {
		k := reflect.TypeOf(tc.match)
		if seen[k] == nil {
			seen[k] = map[Outcome]bool{}
		}
		seen[k][tc.want] = true
	}
	for _, m := range rules.Matches() {
		for _, want := range []Outcome{Hit, Miss, Unknown} {
			if _, limit := m.(rules.Limit); limit && want != Unknown {
				continue
			}
			if !seen[reflect.TypeOf(m)][want] {
				t.Errorf("%T has no case with outcome %s", m, want)
			}
		}
	}
}
