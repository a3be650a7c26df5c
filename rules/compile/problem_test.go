package compile_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"

	"github.com/google/go-cmp/cmp"
)

// What a container of the host's own network sends is not forwarded: whoever
// names one as a sender is told that the block does not hold it. To name it as
// what outside may reach is fine.
func TestHostNetworkSendersAreNotCovered(t *testing.T) {
	sels := []*policy.Selector{{Name: "all", Names: []string{"*"}}}
	origin := func(name string, line int) rules.Origin {
		return rules.Origin{Subject: rules.ParseSubject(name), File: "agent.hcl", Line: line}
	}
	p := policy.Policy{Containers: sels,
		Published: []*policy.Published{{Name: "p", To: sels, Origin: origin("published.p", 1)}},
		Between:   []*policy.Between{{Name: "b", From: sels, To: sels, Origin: origin("between.b", 2)}},
		Egress:    []*policy.Egress{{Name: "e", From: sels, Origin: origin("egress.e", 3)}},
		Host:      []*policy.Host{{Name: "h", From: sels, Origin: origin("host.h", 4)}},
	}
	s := netinfo.Snapshot{Engine: netinfo.Engine{Known: true}, Containers: []netinfo.Container{
		{ID: "1", Name: "hn", State: "running", HostNetwork: true}, {ID: "2", Name: "web", State: "running"}}}
	var got []string
	_, problems := compile.Compile(p, s)
	for _, problem := range problems {
		if problem.Code == "not_covered" {
			at, _, _ := strings.Cut(problem.Message, ": what")
			got = append(got, at)
		}
	}
	want := []string{"between.b: container hn is on the host's own network", "egress.e: container hn is on the host's own network",
		"host.h: container hn is on the host's own network"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestNICInABridge: a NIC that is a port of a network's bridge is named, whatever
// kind it is; containers' veths and other programs' bridges are not.
func TestNICInABridge(t *testing.T) {
	s := bridged()
	codes := func() (found []string) {
		_, problems := compile.Compile(policy.Policy{Defaults: allAllowed()}, s)
		for _, p := range problems {
			if p.Code == "not_covered" && strings.Contains(p.Message, "br-aaaaaaaaaaaa") {
				found = append(found, p.Message)
			}
		}
		return found
	}
	for i := range s.Links {
		if s.Links[i].Master == 3 {
			s.Links[i].Kind = "veth"
			s.Links[i].Name = fmt.Sprintf("veth%07x", i) // as Docker names them
		}
	}
	if got := codes(); len(got) > 0 {
		t.Errorf("without a NIC: %q", got)
	}
	for _, kind := range []string{"", "vlan", "bond", "tun", "vxlan", "veth"} {
		s.Links[0].Master, s.Links[0].Kind = 3, kind
		if got := codes(); len(got) != 1 || !strings.Contains(got[0], "network open") || !strings.Contains(got[0], "eth0") {
			t.Errorf("a port of kind %q: %q, want one that names network and NIC", kind, got)
		}
	}
}

// TestInterfacesNameAPort: a block that names a port of a bridge or bond never
// matches, and the warning names the master.
func TestInterfacesNameAPort(t *testing.T) {
	s := netinfo.Snapshot{Links: []netinfo.Link{{Index: 1, Name: "eth0"}, {Index: 2, Name: "eth1", Master: 4}, {Index: 3, Name: "ens2", Master: 5},
		{Index: 4, Name: "br0", Kind: "bridge"}, {Index: 5, Name: "bond0", Kind: "bond"}, {Index: 6, Name: "eth9", Master: 7}, {Index: 7, Name: "red", Kind: "vrf"}}}
	for name, want := range map[string]string{"eth1": "name br0 instead", "ens*": "name bond0 instead", "eth*": "", "eth0": "", "br0": "", "eth9": "", "wg0": ""} {
		p := policy.Policy{Defaults: allAllowed(), Interfaces: []*policy.Interfaces{{Name: "lan", Names: []string{name}}}}
		said := ""
		_, problems := compile.Compile(p, s)
		for _, problem := range problems {
			if problem.Code == "nic_is_port" {
				said = problem.Message
			}
		}
		if want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("%s: %q, want %q", name, said, want)
		}
	}
}

// TestDockerClosesDirect: Docker 28 and later drops what is routed straight to a
// container in NAT mode, so that what the file opens stays closed.
func TestDockerClosesDirect(t *testing.T) {
	s := netinfo.Snapshot{Engine: netinfo.Engine{Known: true, Version: "28.5.2"},
		Networks: []netinfo.Network{
			{ID: "f", Name: "front", Bridge: "br-f", Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayRouted, Subnets: []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16"), netip.MustParsePrefix("fd18::/64")}},
			{ID: "u", Name: "open", Bridge: "br-u", Mode4: netinfo.GatewayNATUnprotected, Mode6: netinfo.GatewayNATUnprotected, Subnets: []netip.Prefix{netip.MustParsePrefix("172.19.0.0/16")}}},
		Containers: []netinfo.Container{
			{ID: "1", Name: "web", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "f", Addrs: []netip.Addr{netip.MustParseAddr("172.18.0.2")}}}},
			{ID: "2", Name: "api", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "u", Addrs: []netip.Addr{netip.MustParseAddr("172.19.0.2")}}}}}}
	only := func(name string) *policy.Direct {
		return &policy.Direct{Name: name, To: []*policy.Selector{{Name: name, Names: []string{name}}}, Origin: rules.Origin{Subject: rules.ParseSubject("direct." + name), File: "agent.hcl", Line: 3}}
	}
	behind := &policy.Direct{Name: "vpn", Behind: policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("10.8.0.0/24")}}}
	const fix = "create it with -o com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected"
	for _, tc := range []struct {
		name, version string
		p             policy.Policy
		want          string
	}{
		{"a container in NAT mode", "28.5.2", policy.Policy{Direct: []*policy.Direct{only("web")}}, "direct.web lets packets pass to containers of front, "},
		{"one that Docker leaves open", "28.5.2", policy.Policy{Direct: []*policy.Direct{only("api")}}, ""},
		{"what lies behind a container", "28.5.2", policy.Policy{Direct: []*policy.Direct{behind}}, ""},
		{"an earlier engine", "27.5.1", policy.Policy{Direct: []*policy.Direct{only("web")}}, ""},
		{"an engine that does not say", "", policy.Policy{Direct: []*policy.Direct{only("web")}}, ""},
		{"by default", "29.0.0", policy.Policy{Defaults: policy.Defaults{Direct: policy.Allow}}, "defaults.direct lets packets pass to containers of front, "},
		{"of a network", "29.0.0", policy.Policy{Networks: []policy.Network{{Name: "front", Direct: policy.Allow, Origin: rules.Origin{Subject: rules.ParseSubject("network.front")}}}}, "network.front lets packets pass"},
	} {
		s.Engine.Version = tc.version
		_, problems := compile.Compile(tc.p, s)
		said := ""
		for _, problem := range problems {
			if problem.Code == "closed_by_docker" {
				said += problem.Message
			}
		}
		if !strings.HasPrefix(said, tc.want) || tc.want == "" && said != "" || tc.want != "" && !strings.HasSuffix(said, fix) {
			t.Errorf("%s: %q, want %q", tc.name, said, tc.want)
		}
	}
}
