package meaning_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/meaning"
	"dockwall/rules/policy"
)

func prefixes(list ...string) (ps []netip.Prefix) {
	for _, p := range list {
		ps = append(ps, netip.MustParsePrefix(p))
	}
	return policy.SortPrefixes(ps)
}

func from(list ...string) policy.AddressList { return policy.AddressList{Literals: prefixes(list...)} }

// host has two NICs, a network with two containers and one alone.
func host() netinfo.Snapshot {
	addr := netip.MustParseAddr
	s := netinfo.Snapshot{
		Engine: netinfo.Engine{Connected: true, Known: true},
		Links: []netinfo.Link{
			{Index: 1, Name: "lo", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
			{Index: 2, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("2001:db8:1::1/64")}},
			{Index: 3, Name: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}},
			{Index: 4, Name: "br-000000000001", Kind: "bridge", Addrs: []netip.Prefix{netip.MustParsePrefix("172.18.0.1/16")}},
			{Index: 5, Name: "docker0", Kind: "bridge", Addrs: []netip.Prefix{netip.MustParsePrefix("172.17.0.1/16")}},
		},
		Networks: []netinfo.Network{
			{ID: "1", Name: "shop", Driver: "bridge", Bridge: "br-000000000001", Subnets: prefixes("172.18.0.0/16"), Mode4: "nat", Mode6: "nat"},
			{ID: "2", Name: "bridge", Driver: "bridge", Bridge: "docker0", Subnets: prefixes("172.17.0.0/16"), Mode4: "nat", Mode6: "nat"},
		},
		Containers: []netinfo.Container{
			{ID: "c1", Name: "web", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "1", Addrs: []netip.Addr{addr("172.18.0.2")}}},
				Ports: []netinfo.PublishedPort{{HostPort: 8080, HostPortEnd: 8080, Proto: netinfo.TCP, ContainerPort: 80}}},
			{ID: "c2", Name: "db", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "1", Addrs: []netip.Addr{addr("172.18.0.3")}}}},
			{ID: "c3", Name: "lone", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "2", Addrs: []netip.Addr{addr("172.17.0.2")}}}},
		},
	}
	s.Normalize()
	return s
}

func usual() policy.Policy {
	return policy.Policy{DenyWith: policy.DenyDrop, LogDenied: true, Defaults: policy.Defaults{
		Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow}}
}

// in is the origin of a block on a line of agent.hcl.
func in(block string, line int) rules.Origin {
	return rules.Origin{Subject: rules.ParseSubject(block), File: "agent.hcl", Line: line}
}

func named(name string) []*policy.Selector {
	return []*policy.Selector{{Name: name, Names: []string{name}}}
}

func sentences(d meaning.Difference) []string {
	list := []string{}
	for _, c := range d.Changes {
		list = append(list, c.Sentence)
	}
	return list
}

func TestCompare(t *testing.T) {
	shop := func(list ...string) func(*policy.Policy) {
		return func(p *policy.Policy) {
			p.Published = append(p.Published, &policy.Published{Name: "shop", From: from(list...), Origin: in("published.shop", 31)})
		}
	}
	for _, tc := range []struct {
		name          string
		before, after func(*policy.Policy)
		want          []string
	}{
		{"one more source", shop("203.0.113.0/24"), shop("203.0.113.0/24", "198.51.100.0/24", "2001:db8:10::/48"), []string{
			"+ 198.51.100.0/24 and 2001:db8:10::/48 may now reach web 8080/tcp: published.shop (agent.hcl:31) allows it; defaults.published stopped it before"}},
		{"by one NIC", shop("203.0.113.0/24"), func(p *policy.Policy) {
			shop("203.0.113.0/24")(p)
			p.Published[0].Via = []*policy.Interfaces{{Name: "lan", Names: []string{"eth1"}}}
		}, []string{
			"- 203.0.113.0/24, coming in by eth0 and other interfaces, may no longer reach web 8080/tcp: defaults.published stops it; published.shop allowed it before"}},
		{"an exception inside", shop("203.0.113.0/24"), func(p *policy.Policy) {
			shop("203.0.113.0/24")(p)
			p.Published[0].Except = from("203.0.113.66/32")
		}, []string{
			"- 203.0.113.66 may no longer reach web 8080/tcp: defaults.published stops it; published.shop allowed it before"}},
		{"everyone", shop("203.0.113.0/24"), shop("0.0.0.0/0", "::/0"), []string{
			"+ everyone else may now reach web 8080/tcp: published.shop (agent.hcl:31) allows it; defaults.published stopped it before"}},
		{"another name for the same", shop("203.0.113.0/24"), func(p *policy.Policy) {
			shop("203.0.113.0/24")(p)
			p.Published[0].Origin = in("published.store", 3)
		}, []string{}},
		{"isolation but for one port", func(*policy.Policy) {}, func(p *policy.Policy) {
			p.Networks = []policy.Network{{Name: "shop", Between: policy.Deny, Origin: in("network.shop", 4)}}
			p.Between = []*policy.Between{{Name: "sql", From: named("web"), To: named("db"),
				Ports: []policy.Ports{{Proto: netinfo.TCP, Lo: 5432, Hi: 5432}}, Origin: in("between.sql", 9)}}
		}, []string{
			"- db and lone may no longer reach web 8080/tcp: network.shop (agent.hcl:4) stops it; defaults.between allowed it before",
			"- db may no longer reach every port of web: network.shop (agent.hcl:4) stops it; defaults.between allowed it before",
			"- web may no longer reach any other port of db: network.shop (agent.hcl:4) stops it; defaults.between allowed it before"}},
		{"egress", func(*policy.Policy) {}, func(p *policy.Policy) {
			p.Egress = []*policy.Egress{{Name: "mirror", From: named("db"), To: from("198.51.100.0/24"),
				Ports: []policy.Ports{{Proto: netinfo.TCP, Lo: 443, Hi: 443}}, Origin: in("egress.mirror", 7)}}
		}, []string{
			"- db may no longer reach any other port at 198.51.100.0/24 and every port at anywhere else (IPv4): " +
				"egress.mirror (agent.hcl:7) stops it; defaults.egress allowed it before"}},
		{"host", func(*policy.Policy) {}, func(p *policy.Policy) {
			p.Host = []*policy.Host{{Name: "dns", From: named("web"),
				Ports: []policy.Ports{{Proto: netinfo.UDP, Lo: 53, Hi: 53}}, Origin: in("host.dns", 8)}}
		}, []string{
			"- web may no longer reach any other port of the host: host.dns (agent.hcl:8) stops it; defaults.host allowed it before"}},
		{"docker_api", func(*policy.Policy) {}, func(p *policy.Policy) {
			p.DockerAPI = &policy.DockerAPI{From: from("10.0.0.0/24"), Origin: in("docker_api", 2)}
		}, []string{
			"+ 10.0.0.0/24 may now reach the Docker API: docker_api (agent.hcl:2) allows it; docker_api stopped it before"}},
		{"block", shop("203.0.113.0/24"), func(p *policy.Policy) {
			shop("203.0.113.0/24")(p)
			p.Blocks = []*policy.Block{{Name: "abusers", From: from("203.0.113.66/32"), Origin: in("block.abusers", 5)}}
		}, []string{
			"- 203.0.113.66 may no longer reach any other port of the host: block.abusers (agent.hcl:5) stops it; nothing stopped it before",
			"- 203.0.113.66 may no longer reach web 8080/tcp: block.abusers (agent.hcl:5) stops it; published.shop allowed it before"}},
	} {
		b, a := usual(), usual()
		tc.before(&b)
		tc.after(&a)
		s := host()
		before, _ := compile.Compile(b, s)
		after, _ := compile.Compile(a, s)
		d := meaning.Compare(before, after, s, meaning.Options{})
		if diff := cmp.Diff(tc.want, sentences(d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		if len(d.LeftOut) > 0 {
			t.Errorf("%s: left out: %q", tc.name, d.LeftOut)
		}
	}
}

func TestFirstApply(t *testing.T) {
	s := host()
	after, _ := compile.Compile(usual(), s)
	d := meaning.Compare(rules.Ruleset{}, after, s, meaning.Options{})
	want := []string{
		"- db, lone and web may no longer reach the Docker API: docker_api stops it; nothing stopped it before",
		"- everyone (IPv4) may no longer reach bridge's containers past their published ports and shop's containers past their published ports: defaults.direct stops it; nothing stopped it before",
		"- everyone may no longer reach the Docker API: docker_api stops it; nothing stopped it before",
		"- everyone may no longer reach web 8080/tcp: defaults.published stops it; nothing stopped it before",
	}
	if diff := cmp.Diff(want, sentences(d)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A container publishes 8080 on one address; on the host's others a block closes the
// port beforehand for a container on the host's network, until the block is taken away.
func TestPublishedOnOneAddressOnly(t *testing.T) {
	s := host()
	s.Networks = append(s.Networks, netinfo.Network{ID: "h", Name: "host", Driver: "host"})
	for i := range s.Containers {
		for j := range s.Containers[i].Ports {
			s.Containers[i].Ports[j].HostAddr = netip.MustParseAddr("10.0.0.1")
		}
	}
	s.Normalize()
	before := usual()
	before.Published = []*policy.Published{{Name: "agent", To: named("agent"), Ports: []policy.Ports{{Proto: netinfo.TCP, Lo: 8080, Hi: 8080}},
		From: from("203.0.113.0/24"), Origin: in("published.agent", 31)}}
	a, _ := compile.Compile(before, s)
	b, _ := compile.Compile(usual(), s)
	got := sentences(meaning.Compare(a, b, s, meaning.Options{}))
	want := []string{"+ everyone else may now reach 8080/tcp of the host: nothing stops it any more; defaults.published stopped it before"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
