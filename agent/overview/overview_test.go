package overview_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/overview"
	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

func at(name string, line int) rules.Origin {
	return rules.Origin{Subject: rules.ParseSubject(name), File: "agent.hcl", Line: line}
}

// shop is a policy with a block of every kind.
func shop() policy.Policy {
	return policy.Policy{
		Defaults: policy.Defaults{Published: policy.Deny, Between: policy.Allow, Egress: policy.Allow, Host: policy.Allow},
		Networks: []policy.Network{{Name: "back", Between: policy.Deny, Egress: policy.Allow, Origin: at("network.back", 2)},
			{Name: "front", Direct: policy.Allow, Host: policy.Deny, Origin: at("network.front", 3)}},
		Published: []*policy.Published{{Name: "web", Origin: at("published.web", 10)}, {Name: "idle", Origin: at("published.idle", 12)}},
		Direct:    []*policy.Direct{{Name: "site", Origin: at("direct.site", 15)}},
		Between:   []*policy.Between{{Name: "db", Origin: at("between.db", 20)}},
		Egress:    []*policy.Egress{{Name: "mirror", Origin: at("egress.mirror", 30)}},
		Host:      []*policy.Host{{Name: "dns", Origin: at("host.dns", 40)}},
		DockerAPI: &policy.DockerAPI{Origin: at("docker_api", 50)},
		Blocks:    []*policy.Block{{Name: "abusers", Origin: at("block.abusers", 60)}},
	}
}

func TestEnforced(t *testing.T) {
	want := []overview.Matter{
		{Name: "published", Default: "deny", Blocks: 2},
		{Name: "direct", Default: "deny", Networks: []string{"front allow"}, Blocks: 1},
		{Name: "between", Default: "allow", Networks: []string{"back deny"}, Blocks: 1},
		{Name: "egress", Default: "allow", Blocks: 1},
		{Name: "dns", Default: "allow"},
		{Name: "host", Default: "allow", Networks: []string{"front deny"}, Blocks: 1},
		{Name: "spoofing", Default: "allow"},
		{Name: "docker_api", Default: "deny", Blocks: 1},
		{Name: "block", Default: "allow", Blocks: 1},
	}
	if diff := cmp.Diff(want, overview.Of(overview.Facts{Policy: shop()}).Enforced); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if o := overview.Of(overview.Facts{}); len(o.Enforced) != 0 {
		t.Errorf("without a policy %+v is enforced", o.Enforced)
	}
}

func TestEveryBlockIsTold(t *testing.T) {
	few, many := overview.Counts{Packets: 1, Bytes: 60}, overview.Counts{Packets: 9, Bytes: 900}
	o := overview.Of(overview.Facts{Policy: shop(),
		Allowed: map[string]overview.Counts{"published.web": many, "established": many},
		Denied:  map[string]overview.Counts{"published.web": few, "network.back": many, "defaults.published": few, "direct": {}}})
	want := []overview.Policy{
		{Name: "published.web", Position: "agent.hcl:10", Allowed: many, Denied: few},
		{Name: "published.idle", Position: "agent.hcl:12"},
		{Name: "direct.site", Position: "agent.hcl:15"},
		{Name: "between.db", Position: "agent.hcl:20"},
		{Name: "egress.mirror", Position: "agent.hcl:30"},
		{Name: "host.dns", Position: "agent.hcl:40"},
		{Name: "docker_api", Position: "agent.hcl:50"},
		{Name: "block.abusers", Position: "agent.hcl:60"},
		{Name: "defaults.published", Denied: few},
		{Name: "network.back", Position: "agent.hcl:2", Denied: many},
	}
	if diff := cmp.Diff(want, o.Policies); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestContainers(t *testing.T) {
	tcp := func(addr string, port, end uint16) netinfo.PublishedPort {
		p := netinfo.PublishedPort{HostPort: port, HostPortEnd: end, Proto: netinfo.TCP, ContainerPort: 80}
		if addr != "" {
			p.HostAddr = netip.MustParseAddr(addr)
		}
		return p
	}
	s := netinfo.Snapshot{
		Networks: []netinfo.Network{{ID: "b", Name: "bridge", Driver: "bridge"}, {ID: "m", Name: "lan", Driver: "macvlan"}},
		Containers: []netinfo.Container{
			{ID: "1", Name: "cam", State: "running", Endpoints: []netinfo.Endpoint{{NetworkID: "b"}, {NetworkID: "m"}}},
			{ID: "2", Name: "node", State: "running", HostNetwork: true},
			{ID: "3", Name: "side", State: "running", SharesWith: "1"},
			{ID: "4", Name: "web", State: "exited", Ports: []netinfo.PublishedPort{tcp("", 80, 80), tcp("0.0.0.0", 81, 81), tcp("192.0.2.1", 8000, 8010), tcp("2001:db8::1", 443, 443), tcp("", 0, 0)}},
		},
	}
	none := []string{}
	o := overview.Of(overview.Facts{Snapshot: s, Refused: map[string]int{"web": 7, "gone": 1}, Failing: []string{"isolation is not in force"}})
	want := []overview.Container{
		{Name: "cam", State: "running", Networks: []string{"bridge", "lan"}, Published: none, Why: "its traffic on network lan (macvlan) never meets the host's rules"},
		{Name: "node", State: "running", Networks: []string{"host"}, Published: none, Covered: true},
		{Name: "side", State: "running", Networks: none, Published: none, Covered: true, Why: "it uses the network of cam, and is judged as that one"},
		{Name: "web", State: "exited", Networks: none, Published: []string{"80-81/tcp", "192.0.2.1:8000-8010/tcp", "[2001:db8::1]:443/tcp"}, Covered: true, Refused: 7},
	}
	if diff := cmp.Diff(want, o.Containers); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	gaps := []string{"isolation is not in force", "container cam: its traffic on network lan (macvlan) never meets the host's rules"}
	if diff := cmp.Diff(gaps, o.NotCovered); diff != "" {
		t.Errorf("not covered (-want +got):\n%s", diff)
	}
}
