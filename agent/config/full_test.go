package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// netipByValue compares addresses by what they are, not by how netip keeps them.
func netipByValue() cmp.Option {
	return cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
}

func prefixes(all ...string) []netip.Prefix {
	var ps []netip.Prefix
	for _, s := range all {
		ps = append(ps, netip.MustParsePrefix(s))
	}
	return ps
}

func ports(proto netinfo.Protocol, lo, hi uint16) policy.Ports {
	return policy.Ports{Proto: proto, Lo: lo, Hi: hi}
}

func fullPolicy() policy.Policy {
	at := func(name string, line int) rules.Origin {
		return rules.Origin{Subject: rules.ParseSubject(name), File: "agent.hcl", Line: line}
	}
	in := func(name string, line int) rules.Origin {
		return rules.Origin{Subject: rules.ParseSubject(name), File: "agent.d/db.hcl", Line: line}
	}
	blocklist := &policy.Addresses{Name: "blocklist", Prefixes: prefixes("192.0.2.66/32"), Origin: at("addresses.blocklist", 25)}
	office := &policy.Addresses{Name: "office", Origin: at("addresses.office", 21),
		Prefixes: prefixes("198.51.100.0/25", "203.0.113.0/24", "2001:db8::7/128", "2001:db8:10::/48")}
	ops := &policy.Addresses{Name: "ops", Prefixes: prefixes("198.51.100.8/30"), Origin: in("addresses.ops", 4)}
	lan := &policy.Interfaces{Name: "lan", Names: []string{"bond*", "eth1"}, Prefixes: prefixes("10.0.0.0/8"), Origin: at("interfaces.lan", 28)}
	db := &policy.Selector{Name: "db", Names: []string{"db"}, Origin: in("containers.db", 1)}
	web := &policy.Selector{Name: "web", Names: []string{"front", "web-*"}, Images: []string{"nginx:*"}, Networks: []string{"shop_front"},
		Labels:  []policy.LabelMatch{{Key: "com.example.size", Value: "3"}, {Key: "tier", Value: "front*"}},
		Compose: []policy.Compose{{Project: "*", Service: "api"}, {Project: "shop", Service: "web"}}, Origin: at("containers.web", 32)}
	return policy.Policy{
		DenyWith: policy.DenyReject,
		Defaults: policy.Defaults{Published: policy.Allow, Direct: policy.Deny, Between: policy.Deny, Egress: policy.Deny, DNS: policy.Allow, Host: policy.Deny, Spoofing: policy.Allow, Origin: at("defaults", 40)},
		Networks: []policy.Network{{Name: "shop_back", Between: policy.Allow, Origin: at("network.shop_back", 46)}, {Name: "shop_front", Direct: policy.Allow, Origin: at("network.shop_front", 103)},
			{Name: "shop_vpn", Spoofing: policy.Deny, Origin: at("network.shop_vpn", 114)}},
		Published: []*policy.Published{
			{Name: "everybody", From: policy.AddressList{Literals: prefixes("0.0.0.0/0", "::/0")}, Origin: at("published.everybody", 57)},
			{Name: "shop", To: []*policy.Selector{db, web}, Via: []*policy.Interfaces{lan}, Origin: at("published.shop", 50),
				From:   policy.AddressList{Refs: []*policy.Addresses{office, ops}, Literals: prefixes("198.51.100.7/32")},
				Except: policy.AddressList{Literals: prefixes("203.0.113.66/32")},
				Ports: []policy.Ports{ports(netinfo.TCP, 53, 53), ports(netinfo.TCP, 443, 443), ports(netinfo.TCP, 8000, 8100), ports(netinfo.TCP, 8443, 8443),
					ports(netinfo.UDP, 53, 53), ports(netinfo.UDP, 8443, 8443), ports(netinfo.SCTP, 90, 90)}},
		},
		Direct: []*policy.Direct{{Name: "site", To: []*policy.Selector{web}, Ports: []policy.Ports{ports(netinfo.TCP, 80, 80)}, Via: []*policy.Interfaces{lan},
			Behind: policy.AddressList{Refs: []*policy.Addresses{ops}, Literals: prefixes("10.8.0.0/24")}, From: policy.AddressList{Refs: []*policy.Addresses{office}},
			Except: policy.AddressList{Literals: prefixes("203.0.113.9/32")}, Origin: at("direct.site", 96)}},
		Between: []*policy.Between{{Name: "web-db", From: []*policy.Selector{web}, To: []*policy.Selector{db},
			Ports: []policy.Ports{ports(netinfo.TCP, 5432, 5432)}, Origin: in("between.web-db", 7)}},
		Egress: []*policy.Egress{{Name: "mirror", From: []*policy.Selector{db}, To: policy.AddressList{Literals: prefixes("192.0.2.0/24")},
			Except: policy.AddressList{Literals: prefixes("192.0.2.9/32")}, Ports: []policy.Ports{ports(netinfo.TCP, 443, 443)},
			Via: []*policy.Interfaces{lan}, Origin: at("egress.mirror", 60)}},
		Host: []*policy.Host{{Name: "dns", From: []*policy.Selector{web}, Ports: []policy.Ports{ports(netinfo.TCP, 53, 53), ports(netinfo.UDP, 53, 53)},
			Origin: at("host.dns", 67)}},
		DockerAPI: &policy.DockerAPI{Ports: []policy.Ports{ports(netinfo.TCP, 2376, 2376), ports(netinfo.TCP, 9323, 9323)}, From: policy.AddressList{Refs: []*policy.Addresses{ops}}, Via: []*policy.Interfaces{lan},
			Except: policy.AddressList{Literals: prefixes("198.51.100.8/32")}, RequireTLS: true, Origin: at("docker_api", 71)},
		Swarm: &policy.Swarm{Peers: policy.AddressList{Refs: []*policy.Addresses{ops}, Literals: prefixes("192.0.2.11/32")}, Origin: at("swarm", 106)},
		Blocks: []*policy.Block{{Name: "abusers", From: policy.AddressList{Refs: []*policy.Addresses{blocklist}},
			To: policy.AddressList{Refs: []*policy.Addresses{blocklist}}, Origin: at("block.abusers", 78)}},
		Quarantines: []*policy.Quarantine{{Name: "escape", On: []string{"container.docker-socket", "container.privileged"}, Except: []*policy.Selector{web}, Origin: at("quarantine.escape", 82)}},
		Spoofing: []*policy.Spoofing{{Name: "vrrp", Of: []*policy.Selector{web}, MACs: []rules.MAC{{0, 0, 0x5e, 0, 1, 0x0a}},
			Addresses: policy.AddressList{Refs: []*policy.Addresses{ops}, Literals: prefixes("172.18.0.250/32")}, Origin: at("spoofing.vrrp", 109)}},
		Addresses:  []*policy.Addresses{blocklist, office, ops},
		Interfaces: []*policy.Interfaces{lan},
		Containers: []*policy.Selector{db, web},
	}
}

// TestFull reads a document that uses everything there is.
func TestFull(t *testing.T) {
	doc, diags := Load("testdata/full/agent.hcl")
	if len(diags) > 0 {
		t.Fatalf("diagnostics:\n%s", textOf(t, diags))
	}
	want := &Document{
		Settings: Settings{Path: "testdata/full/agent.hcl",
			Log:     LogSettings{Level: "debug", Format: "json"},
			Docker:  DockerSettings{Host: "tcp://127.0.0.1:2375"},
			Control: ControlSettings{Socket: "/run/other.sock", Metrics: "[::1]:9323"},
			Firewall: FirewallSettings{Backend: "iptables-legacy", Sets: "inline", DenyWith: "reject", Resync: 5 * time.Minute,
				OnStop: "remove"}},
		Audit: Audit{Every: 12 * time.Hour, FailOn: "high", Registries: []string{"registry.example.com:5000"}, Skips: []Skip{{ID: "container.host-network",
			Of: []*policy.Selector{fullPolicy().Containers[1]}, Reason: "VRRP on the NIC", Until: "2027-06-30", Origin: rules.Origin{File: "agent.hcl", Line: 90}}}},
		Policy: fullPolicy(),
		Files: []string{"testdata/full/agent.hcl", "testdata/full/agent.d", "testdata/full/agent.d/db.hcl",
			"testdata/full/office.cidr"},
	}
	if diff := cmp.Diff(want, doc, netipByValue()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// A reference is the block itself, not a copy of it.
	if doc.Policy.Published[1].To[1] != doc.Policy.Containers[1] || doc.Policy.DockerAPI.From.Refs[0] != doc.Policy.Addresses[2] {
		t.Error("a reference is not a pointer into the policy")
	}
}

// TestDefaults reads an empty file: it closes what is published, and nothing
// else.
func TestDefaults(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", "# nothing\n")
	doc, diags := Load(path)
	if len(diags) > 0 {
		t.Fatalf("diagnostics:\n%s", textOf(t, diags))
	}
	wantSettings := Settings{Path: path,
		Log: LogSettings{"info", "text"}, Docker: DockerSettings{"unix:///var/run/docker.sock"}, Control: ControlSettings{"/run/dockwall/agent.sock", ""},
		Firewall: FirewallSettings{"auto", "auto", "drop", true, 30 * time.Second, "keep"}}
	if diff := cmp.Diff(wantSettings, doc.Settings); diff != "" {
		t.Errorf("settings: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(Audit{Every: 24 * time.Hour, FailOn: "medium"}, doc.Audit); diff != "" {
		t.Errorf("audit: -want +got:\n%s", diff)
	}
	wantPolicy := policy.Policy{DenyWith: policy.DenyDrop, LogDenied: true, Defaults: policy.Defaults{
		Published: policy.Deny, Direct: policy.Deny, Between: policy.Allow, Egress: policy.Allow, DNS: policy.Allow, Host: policy.Allow, Spoofing: policy.Allow, Origin: rules.Origin{Subject: rules.Subject{Kind: "defaults"}}}}
	if diff := cmp.Diff(wantPolicy, doc.Policy); diff != "" {
		t.Errorf("policy: -want +got:\n%s", diff)
	}
}
