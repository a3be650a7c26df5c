package cutter

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/rules/trace"
)

func prefixes(texts ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, x := range texts {
		ps = append(ps, netip.MustParsePrefix(x))
	}
	return ps
}

// town is a host with two NICs and two bridges:
//
//	web  172.17.0.2, 8080:80/tcp, 8080:80/udp, 9000:9000/tcp on docker0, and no IPv6
//	six  172.18.0.2, fd18::2, 8086:80/tcp on br-six
//	db   172.18.0.3, fd18::3, nothing published
func town() netinfo.Snapshot {
	port := func(host, own uint16, proto netinfo.Protocol) netinfo.PublishedPort {
		return netinfo.PublishedPort{HostPort: host, HostPortEnd: host, ContainerPort: own, Proto: proto}
	}
	at := func(network string, addrs ...string) []netinfo.Endpoint {
		e := netinfo.Endpoint{NetworkID: network}
		for _, a := range addrs {
			e.Addrs = append(e.Addrs, netip.MustParseAddr(a))
		}
		return []netinfo.Endpoint{e}
	}
	s := netinfo.Snapshot{
		Engine: netinfo.Engine{Known: true, Connected: true},
		Links: []netinfo.Link{
			{Index: 1, Name: "lo", Up: true, Addrs: prefixes("127.0.0.1/8", "::1/128")},
			{Index: 2, Name: "eth0", Up: true, Addrs: prefixes("192.0.2.1/24", "2001:db8:1::1/64", "fe80::1/64")},
			{Index: 3, Name: "eth1", Up: true, Addrs: prefixes("198.51.100.1/24", "2001:db8:2::1/64", "fe80::2/64")},
			{Index: 4, Name: "docker0", Kind: "bridge", Up: true, Addrs: prefixes("172.17.0.1/16")},
			{Index: 5, Name: "br-six", Kind: "bridge", Up: true, Addrs: prefixes("172.18.0.1/16", "fd18::1/64", "fe80::1/64")},
			{Index: 6, Name: "veth1", Kind: "veth", Up: true, Master: 4},
		},
		Networks: []netinfo.Network{
			{ID: "b", Name: "bridge", Driver: "bridge", Bridge: "docker0", Subnets: prefixes("172.17.0.0/16"),
				Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT},
			{ID: "s", Name: "six", Driver: "bridge", Bridge: "br-six", Subnets: prefixes("172.18.0.0/16", "fd18::/64"),
				Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT},
		},
		Containers: []netinfo.Container{
			{ID: "1", Name: "web", State: "running", Endpoints: at("b", "172.17.0.2"),
				Ports: []netinfo.PublishedPort{port(8080, 80, netinfo.TCP), port(8080, 80, netinfo.UDP), port(9000, 9000, netinfo.TCP)}},
			{ID: "2", Name: "six", State: "running", Endpoints: at("s", "172.18.0.2", "fd18::2"),
				Ports: []netinfo.PublishedPort{port(8086, 80, netinfo.TCP)}},
			{ID: "3", Name: "db", State: "running", Endpoints: at("s", "172.18.0.3", "fd18::3")},
		},
	}
	s.Normalize()
	return s
}

// routes is the town's: the wide world is behind eth0, 203.0.113.66 has none.
func routes(a netip.Addr) (string, bool) {
	switch {
	case a == netip.MustParseAddr("203.0.113.66"):
		return "", false
	case netip.MustParsePrefix("198.51.100.0/24").Contains(a), netip.MustParsePrefix("2001:db8:2::/64").Contains(a):
		return "eth1", true
	}
	return "eth0", true
}

func everybody() policy.AddressList {
	return policy.AddressList{Literals: prefixes("0.0.0.0/0", "::/0")}
}

// open is the default policy with everything published; change tightens it.
func open(change func(*policy.Policy)) policy.Policy {
	p := policy.Policy{
		DenyWith: policy.DenyDrop, LogDenied: true,
		Defaults:  policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Published: []*policy.Published{{Name: "all", From: everybody()}},
	}
	if change != nil {
		change(&p)
	}
	return p
}

func machine(t testing.TB, p policy.Policy, s netinfo.Snapshot) (*trace.Machine, rules.Ruleset) {
	t.Helper()
	rs, _ := compile.Compile(p, s)
	if err := rs.Validate(); err != nil {
		t.Fatal(err)
	}
	return trace.New(rs), rs
}

const (
	seen      = 1 << 1
	assured   = 1 << 2
	confirmed = 1 << 3
	sourceNAT = 1 << 4
	destNAT   = 1 << 5
)

// flow reads "tcp SRC > DST" and, where it was translated, "< SRC > DST" of the
// answer; "midstream" and other words come after.
func flow(t testing.TB, text string) hostnet.Flow {
	t.Helper()
	words := strings.Fields(text)
	proto, err := netinfo.ParseProtocol(words[0])
	if err != nil {
		t.Fatal(err)
	}
	f := hostnet.Flow{Proto: proto, Status: seen | assured | confirmed}
	if proto == netinfo.TCP {
		f.TCP.State = 3
	}
	f.Original = tuple(words[1], words[3])
	f.Reply = tuple(words[3], words[1])
	words = words[4:]
	if len(words) > 3 && words[0] == "<" {
		f.Reply = tuple(words[1], words[3])
		if words[1] != netip.AddrPortFrom(f.Original.Dst, f.Original.DstPort).String() {
			f.Status |= destNAT
		}
		if words[3] != netip.AddrPortFrom(f.Original.Src, f.Original.SrcPort).String() {
			f.Status |= sourceNAT
		}
		words = words[4:]
	}
	for _, w := range words {
		change(t, &f, w)
	}
	return f
}

func change(t testing.TB, f *hostnet.Flow, word string) {
	t.Helper()
	switch word {
	case "midstream":
		f.TCP.Midstream = true
	case "expected":
		f.Status |= 1 << 0 // IPS_EXPECTED
	case "frozen":
		f.TCP.State = hostnet.TCPSynSent
	case "closed":
		f.TCP.State = hostnet.TCPTimeWait
	case "unreplied":
		f.Status &^= seen | assured
	case "zone":
		f.Zone = 1
	default:
		t.Fatalf("unknown word %q", word)
	}
}

func tuple(src, dst string) hostnet.Tuple {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return hostnet.Tuple{Src: s.Addr(), Dst: d.Addr(), SrcPort: s.Port(), DstPort: d.Port()}
}

// The flows of the table, by what they are.
const (
	wanDNAT     = "tcp 192.0.2.10:4001 > 192.0.2.1:8080 < 172.17.0.2:80 > 192.0.2.10:4001"
	wanDNATUDP  = "udp 192.0.2.10:4001 > 192.0.2.1:8080 < 172.17.0.2:80 > 192.0.2.10:4001"
	wanDNAT6    = "tcp [2001:db8:1::10]:4001 > [2001:db8:1::1]:8086 < [fd18::2]:80 > [2001:db8:1::10]:4001"
	lanDNAT     = "tcp 198.51.100.10:4001 > 192.0.2.1:8080 < 172.17.0.2:80 > 198.51.100.10:4001"
	nowhere     = "tcp 203.0.113.66:4001 > 192.0.2.1:8080 < 172.17.0.2:80 > 203.0.113.66:4001"
	wanProxy    = "tcp 192.0.2.10:4002 > 192.0.2.1:8080"
	wanProxy6   = "tcp [2001:db8:1::10]:4002 > [2001:db8:1::1]:8080"
	wanProxyUDP = "udp [2001:db8:1::10]:4002 > [2001:db8:1::1]:8080"
	linkProxy   = "tcp [fe80::10]:4002 > [fe80::2]:8086"
	answerProxy = "udp [2001:db8:1::1]:8080 > [2001:db8:1::10]:4002"
	answerTCP   = "tcp [2001:db8:1::1]:8080 > [2001:db8:1::10]:4002 midstream"
	answerDNAT  = "tcp 172.17.0.2:9000 > 192.0.2.10:4003 < 192.0.2.10:4003 > 192.0.2.1:9000 midstream"
	// FTP's data, which connection tracking expected.
	announced   = "tcp 192.0.2.10:4015 > 192.0.2.1:30000 < 172.17.0.2:30000 > 192.0.2.10:4015 expected"
	direct      = "tcp 192.0.2.10:4004 > 172.17.0.2:80"
	ssh         = "tcp 192.0.2.10:4005 > 192.0.2.1:22"
	through     = "tcp 192.0.2.10:4006 > 198.51.100.10:80"
	outgoing    = "tcp 172.17.0.2:5001 > 192.0.2.10:443 < 192.0.2.10:443 > 192.0.2.1:5001"
	outgoing6   = "udp [fd18::3]:5001 > [2001:db8:1::10]:53 < [2001:db8:1::10]:53 > [2001:db8:1::1]:5001"
	toGateway   = "tcp 172.17.0.2:5002 > 172.17.0.1:5432"
	hairpin     = "tcp 172.17.0.2:5003 > 192.0.2.1:8086"
	sameBridge  = "tcp 172.18.0.2:5004 > 172.18.0.3:5432"
	sameBridge6 = "tcp [fd18::2]:5004 > [fd18::3]:5432"
	api         = "tcp 192.0.2.10:4007 > 192.0.2.1:2375"
)

// never are flows that no policy ends, however tight.
var never = []string{
	"tcp 127.0.0.1:4010 > 127.0.0.1:8080",
	"tcp 192.0.2.1:4011 > 192.0.2.1:8080",
	"tcp 192.0.2.1:4012 > 192.0.2.10:443",
	"tcp 172.17.0.1:4013 > 172.17.0.2:80", // docker-proxy's other half
	"udp [2001:db8:1::1]:4014 > [2001:db8:1::10]:53",
	"tcp [2001:db8:1::1]:8080 > [2001:db8:1::10]:4002", // opened by the host itself
	"tcp 192.0.2.10:4016 > 192.0.2.1:8080 < 172.17.0.2:80 > 192.0.2.10:4016 frozen",
	"tcp 192.0.2.10:4017 > 192.0.2.1:8080 < 172.17.0.2:80 > 192.0.2.10:4017 closed",
	"tcp 192.0.2.10:4018 > 192.0.2.1:8080 < 172.17.0.2:80 > 192.0.2.10:4018 zone",
	"udp 172.17.0.2:5353 > 224.0.0.251:5353",
	"udp 192.0.2.10:68 > 255.255.255.255:67",
	ssh, through,
}

func all() []string {
	return append([]string{wanDNAT, wanDNATUDP, wanDNAT6, lanDNAT, nowhere, wanProxy, wanProxy6, wanProxyUDP, linkProxy,
		answerProxy, answerTCP, answerDNAT, announced, direct, outgoing, outgoing6, toGateway, hairpin, sameBridge, sameBridge6, api}, never...)
}

func TestJudge(t *testing.T) {
	web := &policy.Selector{Name: "web", Names: []string{"web"}}
	lan := &policy.Interfaces{Name: "lan", Names: []string{"eth1"}}
	outside := []string{wanDNAT, wanDNATUDP, wanDNAT6, lanDNAT, nowhere, wanProxy, wanProxy6, wanProxyUDP, linkProxy,
		answerProxy, answerTCP, answerDNAT, announced}
	without := func(list []string, drop ...string) []string {
		var left []string
		for _, x := range list {
			if !strings.Contains(strings.Join(drop, "\n"), x) {
				left = append(left, x)
			}
		}
		return left
	}
	for _, c := range []struct {
		name   string
		change func(*policy.Policy)
		want   []string
	}{
		{"everything published", nil, nil},
		{"nothing published", func(p *policy.Policy) { p.Published = nil }, outside},
		{"one port", func(p *policy.Policy) {
			p.Published[0].Ports = []policy.Ports{{Proto: netinfo.TCP, Lo: 8080, Hi: 8080}}
		}, []string{wanDNATUDP, wanDNAT6, wanProxyUDP, linkProxy, answerProxy, answerDNAT, announced}},
		{"one client", func(p *policy.Policy) {
			p.Published[0].From = policy.AddressList{Literals: prefixes("192.0.2.10/32")}
		}, []string{wanDNAT6, lanDNAT, nowhere, wanProxy6, wanProxyUDP, linkProxy, answerProxy, answerTCP}},
		// Of nowhere it cannot be told by which NIC it comes.
		{"one NIC", func(p *policy.Policy) { p.Published[0].Via = []*policy.Interfaces{lan} }, without(outside, lanDNAT, nowhere, linkProxy)},
		{"no egress", func(p *policy.Policy) { p.Defaults.Egress = policy.Deny }, []string{outgoing, outgoing6}},
		{"egress of one", func(p *policy.Policy) {
			p.Egress = []*policy.Egress{{Name: "web", From: []*policy.Selector{web}, To: everybody(),
				Ports: []policy.Ports{{Proto: netinfo.TCP, Lo: 80, Hi: 80}}}}
		}, []string{outgoing}},
		{"no host", func(p *policy.Policy) { p.Defaults.Host = policy.Deny }, []string{toGateway}},
		{"no between", func(p *policy.Policy) { p.Defaults.Between = policy.Deny }, []string{hairpin, sameBridge, sameBridge6}},
		{"a block", func(p *policy.Policy) {
			p.Blocks = []*policy.Block{{Name: "x", From: policy.AddressList{Literals: prefixes("198.51.100.10/32")}}}
		}, []string{lanDNAT}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := town()
			m, _ := machine(t, open(c.change), s)
			want := map[string]bool{direct: true, api: true} // what no policy here allows
			for _, w := range c.want {
				want[w] = true
			}
			for _, x := range all() {
				got := len(Judge(m, s, routes, []hostnet.Flow{flow(t, x)})) == 1
				if got != want[x] {
					t.Errorf("%s\n\tended: %v, want %v", x, got, want[x])
				}
			}
		})
	}
}

func TestJudgeKeepsOrder(t *testing.T) {
	s := town()
	m, _ := machine(t, open(func(p *policy.Policy) { p.Published = nil }), s)
	flows := []hostnet.Flow{flow(t, wanProxy), flow(t, ssh), flow(t, wanDNAT6), flow(t, wanDNAT)}
	want := []hostnet.Flow{flows[0], flows[2], flows[3]}
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := cmp.Diff(want, Judge(m, s, routes, flows), compare); diff != "" {
		t.Errorf("denied (-want +got):\n%s", diff)
	}
}

// A container that nobody knows is held by the rules, but what it has open may
// be allowed: it is left alone until it is known.
func TestJudgeLeavesTheUnknownAlone(t *testing.T) {
	s := town()
	web := &policy.Selector{Name: "web", Names: []string{"web"}}
	m, _ := machine(t, open(func(p *policy.Policy) {
		p.Egress = []*policy.Egress{{Name: "web", From: []*policy.Selector{web}, To: everybody()}}
	}), s)
	j := newJudge(m, s, routes)
	if _, v := j.flow(flow(t, "tcp 172.17.0.9:5001 > 192.0.2.10:443 < 192.0.2.10:443 > 192.0.2.1:5001")); v != undecided {
		t.Errorf("verdict %v, want undecided", v)
	}
}

// A ruleset that makes no sense ends nothing.
func TestJudgeTrustsNoBrokenRuleset(t *testing.T) {
	s := town()
	_, rs := machine(t, open(func(p *policy.Policy) { p.Published = nil }), s)
	rs.Sets = nil
	if got := Judge(trace.New(rs), s, routes, []hostnet.Flow{flow(t, wanDNAT)}); len(got) != 0 {
		t.Errorf("denied: %v", got)
	}
}

// Docker-proxy's connections are also found by their sockets.
func TestJudgeSockets(t *testing.T) {
	s := town()
	m, _ := machine(t, open(func(p *policy.Policy) { p.Published = nil }), s)
	j := newJudge(m, s, routes)
	for text, want := range map[string]verdict{
		"192.0.2.10:4001 192.0.2.1:8080":    deny,
		"192.0.2.10:4001 192.0.2.1:22":      allow,
		"192.0.2.10:4001 192.0.2.1:8081":    allow,
		"127.0.0.1:4001 127.0.0.1:8080":     allow,
		"192.0.2.1:4001 192.0.2.1:8080":     allow,
		"[2001:db8:1::10]:4 [fe80::1]:8080": deny,
	} {
		remote, local, _ := strings.Cut(text, " ")
		c := hostnet.Connection{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)}
		if got := j.socket(c); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// A ping that a block lists goes on.
func TestJudgePings(t *testing.T) {
	s := town()
	db := &policy.Selector{Name: "db", Names: []string{"db"}}
	m, _ := machine(t, open(func(p *policy.Policy) {
		p.Egress = []*policy.Egress{{Name: "db", From: []*policy.Selector{db}, To: everybody(), Ports: policy.Ping()}}
	}), s)
	for kind, want := range map[uint8]int{rules.TypeEcho6: 0, 139: 1} {
		ping := flow(t, "ipv6-icmp [fd18::3]:0 > [2001:db8:1::10]:0")
		ping.Original.ICMPType = kind
		if got := len(Judge(m, s, routes, []hostnet.Flow{ping})); got != want {
			t.Errorf("ended %d entries of ICMPv6 type %d, want %d", got, kind, want)
		}
	}
}
