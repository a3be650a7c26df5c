package audit

import (
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/netinfo/inventory"
	"dockwall/rules/policy"
)

var anyone = policy.AddressList{Literals: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}

// A port is listed if whichever port of its range the engine picks is one that a published
// block for the container names.
func TestListed(t *testing.T) {
	web := &policy.Selector{Name: "web", Names: []string{"web"}}
	front := &policy.Selector{Name: "front", Networks: []string{"front"}}
	tcp := func(lo, hi uint16) policy.Ports { return policy.Ports{Proto: netinfo.TCP, Lo: lo, Hi: hi} }
	p := policy.Policy{Published: []*policy.Published{
		{Name: "a", To: []*policy.Selector{web}, Ports: []policy.Ports{tcp(8000, 8005)}, From: anyone},
		{Name: "b", To: []*policy.Selector{web}, Ports: []policy.Ports{tcp(8006, 8010), {Proto: netinfo.UDP, Lo: 53, Hi: 53}, tcp(80, 80)}, From: anyone},
		{Name: "nowhere", To: []*policy.Selector{web}, Ports: []policy.Ports{tcp(9000, 9000)}},
		{Name: "front", To: []*policy.Selector{front}, From: anyone},
	}}
	for _, c := range []struct {
		name, host, inner, network string
		routed, want               bool
	}{
		{"web", "8000", "80/tcp", "back", false, true},
		{"web", "8000", "80", "back", false, true},
		{"web", "8000", "80/udp", "back", false, false},
		{"web", "53", "53/udp", "back", false, true},
		{"web", "8003-8008", "80/tcp", "back", false, true},
		{"web", "8008-8011", "80/tcp", "back", false, false},
		{"web", "9000", "80/tcp", "back", false, false},
		{"web", "", "80/tcp", "back", false, false},
		{"web", "0", "80/tcp", "back", false, false},
		{"web", "8011", "80/tcp", "back", true, true},
		{"web", "", "80/tcp", "back", true, true},
		{"web", "8011", "81/tcp", "back", true, false},
		{"db", "8000", "80/tcp", "back", false, false},
		{"db", "", "80/tcp", "front", false, true},
		{"web", "x", "80/tcp", "back", false, false},
		{"web", "8000", "80/none", "back", false, false},
	} {
		k := &inventory.Container{Name: c.name, Networks: []string{c.network}}
		if got := publishedPolicy(p).Listed(k, inventory.PortBinding{HostPort: c.host, Container: c.inner}, c.routed); got != c.want {
			t.Errorf("%+v: listed %t", c, got)
		}
	}
}

// The default of a network comes before that of all.
func TestPublishedDefault(t *testing.T) {
	p := publishedPolicy(policy.Policy{Defaults: policy.Defaults{Published: policy.Deny}, Networks: []policy.Network{{Name: "front", Published: policy.Allow}, {Name: "back"}}})
	for network, want := range map[string]bool{"front": true, "back": false, "": false} {
		if got := p.Allowed(network); got != want {
			t.Errorf("%s: allowed %t", network, got)
		}
	}
}

func TestAPIPolicy(t *testing.T) {
	ports := []policy.Ports{{Proto: netinfo.TCP, Lo: 2376, Hi: 2376}}
	for name, c := range map[string]struct {
		block      *policy.DockerAPI
		open, asks bool
	}{
		"no block":     {nil, false, false},
		"from nowhere": {&policy.DockerAPI{}, false, false},
		"every port":   {&policy.DockerAPI{From: anyone}, true, false},
		"another port": {&policy.DockerAPI{From: anyone, Ports: ports}, false, false},
		"with TLS":     {&policy.DockerAPI{From: anyone, RequireTLS: true}, true, true},
	} {
		a := apiPolicy(policy.Policy{DockerAPI: c.block})
		if a.Opens(2375) != c.open || a.RequireTLS != c.asks {
			t.Errorf("%s: opens %t, require_tls %t", name, a.Opens(2375), a.RequireTLS)
		}
	}
}
