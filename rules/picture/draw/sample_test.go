package draw

import (
	"fmt"
	"net/netip"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/picture"
	"dockwall/rules/policy"
)

func of(p policy.Policy, s netinfo.Snapshot) picture.Picture {
	rs, _ := compile.Compile(p, s)
	return picture.Of(p, s, rs)
}

// town is a host of n containers on some networks, one of them not covered,
// under a policy that uses every kind of block.
func town(n int, name func(i int) string) (policy.Policy, netinfo.Snapshot) {
	s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Known: true, Version: "28.5.2"}}
	s.Links = []netinfo.Link{
		{Index: 1, Name: "lo", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Index: 2, Name: "eth0", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/24"), netip.MustParsePrefix("2001:db8:a::10/64")}},
		{Index: 3, Name: "eth1", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("10.1.2.10/24")}},
		{Index: 4, Name: "wg0", Kind: "wireguard", Addrs: []netip.Prefix{netip.MustParsePrefix("10.99.0.1/24")}},
	}
	networks := []string{"front", "back", "batch", "cameras"}
	for i, net := range networks {
		w := netinfo.Network{ID: net, Name: net, Driver: "bridge", Bridge: fmt.Sprintf("br-%012x", i), Internal: net == "batch",
			Subnets: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{172, byte(18 + i), 0, 0}), 16)},
			Mode4:   netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT}
		if net == "cameras" {
			w.Driver, w.Bridge = "macvlan", ""
		}
		s.Networks = append(s.Networks, w)
	}
	for i := range n {
		s.Containers = append(s.Containers, resident(i, name(i), networks))
	}
	s.Containers[n-1] = netinfo.Container{ID: s.Containers[n-1].ID, Name: name(n - 1), State: "running", HostNetwork: true}
	s.Normalize()
	return charter(), s
}

func resident(i int, name string, networks []string) netinfo.Container {
	c := netinfo.Container{ID: fmt.Sprintf("%04d", i), Name: name, Image: "shop/" + name, State: "running",
		Labels: map[string]string{"tier": []string{"web", "db"}[i%2]}}
	on := func(net int) {
		c.Endpoints = append(c.Endpoints, netinfo.Endpoint{NetworkID: networks[net],
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{172, byte(18 + net), byte(i / 200), byte(2 + i%200)})}})
	}
	on(i % 4)
	if i%4 == 0 {
		on(1)
	}
	for k := range uint16(i % 4) {
		port := netinfo.PublishedPort{HostPort: 8000 + uint16(4*i) + k, HostPortEnd: 8000 + uint16(4*i) + k, Proto: netinfo.TCP, ContainerPort: 8080 + k}
		if k == 2 {
			port.HostAddr = netip.MustParseAddr("10.1.2.10")
		}
		c.Ports = append(c.Ports, port)
	}
	if i%11 == 10 {
		c.State, c.Endpoints = "exited", nil
	}
	return c
}

// charter is a policy of every kind of block.
func charter() policy.Policy {
	line := 0
	at := func(kind, name string) rules.Origin {
		line += 4
		return rules.Origin{Subject: rules.Subject{Kind: rules.Kind(kind), Name: name}, File: "agent.hcl", Line: line}
	}
	list := func(as ...string) policy.AddressList {
		var l policy.AddressList
		for _, a := range as {
			l.Literals = append(l.Literals, netip.MustParsePrefix(a))
		}
		return l
	}
	office := &policy.Addresses{Name: "office", Origin: at("addresses", "office"),
		Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:10::/48")}}
	bad := &policy.Addresses{Name: "blocklist", Origin: at("addresses", "blocklist"), Prefixes: []netip.Prefix{netip.MustParsePrefix("203.0.113.66/32")}}
	lan := &policy.Interfaces{Name: "lan", Names: []string{"eth1"}, Origin: at("interfaces", "lan")}
	web := &policy.Selector{Name: "web", Labels: []policy.LabelMatch{{Key: "tier", Value: "web"}}, Origin: at("containers", "web")}
	db := &policy.Selector{Name: "db", Labels: []policy.LabelMatch{{Key: "tier", Value: "db"}}, Origin: at("containers", "db")}
	tcp := func(lo, hi uint16) []policy.Ports { return []policy.Ports{{Proto: netinfo.TCP, Lo: lo, Hi: hi}} }
	named := policy.AddressList{Refs: []*policy.Addresses{office}}
	return policy.Policy{
		Defaults:  policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Networks:  []policy.Network{{Name: "back", Between: policy.Deny, Origin: at("network", "back")}},
		Addresses: []*policy.Addresses{office, bad}, Interfaces: []*policy.Interfaces{lan}, Containers: []*policy.Selector{web, db},
		Published: []*policy.Published{
			{Name: "everywhere", Ports: tcp(8000, 8030), From: list("0.0.0.0/0", "::/0"), Origin: at("published", "everywhere")},
			{Name: "ops", Ports: tcp(8000, 8150), From: list("198.51.100.7/32"), Origin: at("published", "ops")},
			{Name: "shop", To: []*policy.Selector{web}, From: named, Except: list("203.0.113.99/32"), Via: []*policy.Interfaces{lan}, Origin: at("published", "shop")},
		},
		Between: []*policy.Between{{Name: "web-db", From: []*policy.Selector{web}, To: []*policy.Selector{db}, Ports: tcp(5432, 5432), Origin: at("between", "web-db")}},
		Egress:  []*policy.Egress{{Name: "mirror", From: []*policy.Selector{db}, To: list("192.0.2.80/32"), Ports: tcp(443, 443), Origin: at("egress", "mirror")}},
		Host:    []*policy.Host{{Name: "dns", From: []*policy.Selector{db}, Ports: tcp(53, 53), Origin: at("host", "dns")}},
		DockerAPI: &policy.DockerAPI{From: list("198.51.100.7/32"), Via: []*policy.Interfaces{lan},
			Origin: rules.Origin{Subject: rules.Subject{Kind: "docker_api"}, File: "agent.hcl", Line: 99}},
		Blocks: []*policy.Block{{Name: "abusers", From: policy.AddressList{Refs: []*policy.Addresses{bad}}, To: policy.AddressList{Refs: []*policy.Addresses{bad}},
			Origin: at("block", "abusers")}},
	}
}

func plain(i int) string { return fmt.Sprintf("shop-web-%d", i+1) }
