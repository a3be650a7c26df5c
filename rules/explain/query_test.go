package explain

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
)

func prefixes(texts ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, x := range texts {
		ps = append(ps, netip.MustParsePrefix(x))
	}
	return ps
}

// host has two addresses on eth0, a bridge br0 with the port eth1, and a bond with
// the port eth2. dns is published on the second address alone, web on every IPv4
// address, and inner on the address that its network sets.
func host() netinfo.Snapshot {
	port := func(bound string, host, own uint16, proto netinfo.Protocol) []netinfo.PublishedPort {
		p := netinfo.PublishedPort{HostPort: host, HostPortEnd: host, ContainerPort: own, Proto: proto}
		if bound != "" {
			p.HostAddr = netip.MustParseAddr(bound)
		}
		return []netinfo.PublishedPort{p}
	}
	at := func(network, addr string) []netinfo.Endpoint {
		return []netinfo.Endpoint{{NetworkID: network, Addrs: []netip.Addr{netip.MustParseAddr(addr)}}}
	}
	s := netinfo.Snapshot{
		Engine: netinfo.Engine{Connected: true, Known: true},
		Links: []netinfo.Link{
			{Index: 1, Name: "lo", Up: true, Addrs: prefixes("127.0.0.1/8", "::1/128")},
			{Index: 2, Name: "eth0", Up: true, Addrs: prefixes("192.0.2.1/24", "192.0.2.2/24", "2001:db8::1/64")},
			{Index: 3, Name: "br0", Kind: "bridge", Up: true, Addrs: prefixes("10.0.0.1/24")},
			{Index: 4, Name: "eth1", Master: 3, Up: true},
			{Index: 5, Name: "bond0", Kind: "bond", Up: true, Addrs: prefixes("10.1.0.1/24")},
			{Index: 6, Name: "eth2", Master: 5, Up: true},
			{Index: 7, Name: "docker0", Kind: "bridge", Up: true, Addrs: prefixes("172.17.0.1/16")},
			{Index: 8, Name: "br-inner", Kind: "bridge", Up: true, Addrs: prefixes("172.18.0.1/16")},
		},
		Networks: []netinfo.Network{
			{ID: "b", Name: "bridge", Driver: "bridge", Bridge: "docker0", Subnets: prefixes("172.17.0.0/16"), Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT},
			{ID: "i", Name: "inner", Driver: "bridge", Bridge: "br-inner", Subnets: prefixes("172.18.0.0/16"), Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT,
				BindAddr: netip.MustParseAddr("192.0.2.2")},
		},
		Containers: []netinfo.Container{
			{ID: "1", Name: "dns", State: "running", Endpoints: at("b", "172.17.0.2"), Ports: port("192.0.2.2", 53, 53, netinfo.UDP)},
			{ID: "2", Name: "web", State: "running", Endpoints: at("b", "172.17.0.3"), Ports: port("0.0.0.0", 80, 8080, netinfo.TCP)},
			{ID: "3", Name: "inner", State: "running", Endpoints: at("i", "172.18.0.2"), Ports: port("", 443, 443, netinfo.TCP)},
			{ID: "4", Name: "one", State: "running", Endpoints: at("b", "172.17.0.4"), Ports: port("192.0.2.1", 90, 90, netinfo.TCP)},
			{ID: "5", Name: "two", State: "running", Endpoints: at("b", "172.17.0.5"), Ports: port("192.0.2.2", 90, 91, netinfo.TCP)},
		},
	}
	s.Normalize()
	return s
}

func closed() policy.Policy {
	return policy.Policy{DenyWith: policy.DenyDrop, Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow}}
}

func ask(t *testing.T, q Query, p policy.Policy, s netinfo.Snapshot) *Answer {
	t.Helper()
	rs, _ := compile.Compile(p, s)
	a, err := Ask(q, p, s, rs)
	if err != nil {
		t.Fatalf("%+v: %v", q, err)
	}
	return a
}

func dials(a *Answer) []string {
	var all []string
	for _, w := range a.Ways {
		if to := w.Question.Dest.String(); !slices.Contains(all, to) {
			all = append(all, to)
		}
	}
	return all
}

// A port without an address stands for the addresses on which it is published.
func TestPortOfTheHost(t *testing.T) {
	for _, tt := range []struct {
		q       Query
		dials   string
		verdict string
	}{
		{Query{From: "203.0.113.7", Via: "eth0", To: ":53", Proto: "udp"}, "192.0.2.2", Deny},
		{Query{From: "203.0.113.7", Via: "eth0", To: ":53", Proto: "tcp"}, "192.0.2.1", Allow}, // nothing is published: a service of the host
		{Query{From: "203.0.113.7", Via: "eth0", To: ":80", Proto: "tcp"}, "192.0.2.1", Deny},  // one container everywhere: one question
		{Query{From: "10.0.0.7", Via: "br0", To: ":80", Proto: "tcp"}, "10.0.0.1", Deny},       // the nearest address
		{Query{From: "203.0.113.7", Via: "eth0", To: ":90", Proto: "tcp"}, "192.0.2.1 192.0.2.2", Deny},
		{Query{From: "203.0.113.7", Via: "eth0", To: ":443", Proto: "tcp"}, "192.0.2.2", Deny},
	} {
		a := ask(t, tt.q, closed(), host())
		if got := strings.Join(dials(a), " "); got != tt.dials || a.Verdict != tt.verdict {
			t.Errorf("%+v: %s at %s, want %s at %s", tt.q, a.Verdict, got, tt.verdict, tt.dials)
		}
	}
}

// A container is named only at the addresses at which it answers.
func TestNamesTheContainerThatAnswers(t *testing.T) {
	for to, want := range map[string]string{
		"192.0.2.2:443": "which inner publishes", "192.0.2.1:443": "192.0.2.1:443/tcp on the host",
		"192.0.2.1:80": "which web publishes", "[2001:db8::1]:80": "[2001:db8::1]:80/tcp on the host",
		"192.0.2.1:90": "which one publishes", "192.0.2.2:90": "which two publishes",
	} {
		from := "203.0.113.7"
		if strings.HasPrefix(to, "[") {
			from = "2001:db8:9::7"
		}
		said := false
		s := host()
		for _, w := range ask(t, Query{From: from, Via: "eth0", To: to, Proto: "tcp"}, closed(), s).Ways {
			said = said || strings.Contains(w.sentence(s, ""), want)
		}
		if !said {
			t.Errorf("%s: no way says %q", to, want)
		}
	}
}

// The packets of a port of a bridge or bond come in by its master.
func TestViaPort(t *testing.T) {
	p := closed()
	p.Published = []*policy.Published{{Name: "web", From: policy.AddressList{Literals: prefixes("10.0.0.0/24")},
		Via: []*policy.Interfaces{{Name: "lan", Names: []string{"br0"}}}, Origin: rules.Origin{Subject: rules.ParseSubject("published.web"), File: "agent.hcl", Line: 1}}}
	for via, want := range map[string]string{"eth1": "br0", "eth2": "bond0"} {
		a := ask(t, Query{From: "10.0.0.7", Via: via, To: "192.0.2.1:80", Proto: "tcp"}, p, host())
		if nic := a.Ways[0].Question.NIC; nic != want || len(a.Hints) == 0 || !strings.Contains(a.Hints[0], via+" is a port of "+want) {
			t.Errorf("--via %s: asked about %s, hints %q", via, nic, a.Hints)
		}
		if allowed := a.Verdict == Allow; allowed != (want == "br0") {
			t.Errorf("--via %s: %s", via, a.Verdict)
		}
	}
}
