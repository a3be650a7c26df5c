package policy_test

import (
	"testing"

	"dockwall/netinfo"
	. "dockwall/rules/policy"
)

// edited is the lab with something changed.
func edited(edit func(*netinfo.Snapshot)) netinfo.Snapshot {
	s := lab()
	edit(&s)
	return s
}

func container(s *netinfo.Snapshot, id string) *netinfo.Container {
	for i := range s.Containers {
		if s.Containers[i].ID == id {
			return &s.Containers[i]
		}
	}
	panic("the lab has no " + id)
}

func network(s *netinfo.Snapshot, id string) *netinfo.Network {
	for i := range s.Networks {
		if s.Networks[i].ID == id {
			return &s.Networks[i]
		}
	}
	panic("the lab has no " + id)
}

type edgeCase struct {
	why      string
	edit     func(*netinfo.Snapshot)
	policy   func(*Policy)
	question string
	allow    bool
	by       string
}

func runEdges(t *testing.T, cases []edgeCase) {
	t.Helper()
	for _, tc := range cases {
		p := usual()
		tc.policy(&p)
		got := Eval(p, edited(tc.edit), ask(t, tc.question))
		if got.Allow != tc.allow || got.Origin.Subject.String() != tc.by {
			t.Errorf("%s: %s: allow %v by %s, want %v by %s", tc.why, tc.question, got.Allow, got.Origin.Subject, tc.allow, tc.by)
		}
	}
}

func asIs(*netinfo.Snapshot) {}

func publish(b Published) func(*Policy) {
	return func(p *Policy) { p.Published = []*Published{&b} }
}

func TestHostNetworkEdges(t *testing.T) {
	named9100 := []Ports{tcp(9100, 9100)}
	shared := func(s *netinfo.Snapshot) { container(s, "side").HostNetwork = true }
	stopped := func(s *netinfo.Snapshot) {
		container(s, "node").State = "exited"
		s.Listeners = append(s.Listeners, netinfo.Listener{Addr: ip("0.0.0.0"), Proto: netinfo.TCP, Port: 9100})
	}
	inContainer := func(s *netinfo.Snapshot) {
		s.Listeners = append(s.Listeners, netinfo.Listener{Addr: ip("0.0.0.0"), Proto: netinfo.TCP, Port: 9100, Container: true})
	}
	runEdges(t, []edgeCase{
		{"a port named for a container that is not on the host's network is closed for it beforehand", shared,
			publish(Published{Name: "x", To: named("side"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 203.0.113.7 > 192.0.2.1:9100", false, "defaults.published"},
		{"the same, and the block allows", shared,
			publish(Published{Name: "x", To: named("side"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 198.51.100.7 > 192.0.2.1:9100", true, "published.x"},
		{"a container that is not there", asIs, publish(Published{Name: "x", To: named("later"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 203.0.113.7 > 192.0.2.1:9100", false, "defaults.published"},
		{"a container that is not there, and a service of the host has the port", stopped,
			publish(Published{Name: "x", To: named("later"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 203.0.113.7 > 192.0.2.1:9100", true, string(ByNobody)},
		{"a container that is not there, and another container on the host's network has the port", inContainer,
			publish(Published{Name: "x", To: named("later"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 203.0.113.7 > 192.0.2.1:9100", false, "defaults.published"},
		{"a container that is not there, and another port", asIs, publish(Published{Name: "x", To: named("later"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 203.0.113.7 > 192.0.2.1:9101", true, string(ByNobody)},
		{"every container names none", asIs, publish(Published{Name: "x", Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 203.0.113.7 > 192.0.2.1:9100", true, string(ByNobody)},
		{"stopped, and something else has the port that the block names", stopped,
			publish(Published{Name: "x", To: named("node"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 203.0.113.7 > 192.0.2.1:9100", false, "defaults.published"},
		{"stopped, an IPv4 service leaves IPv6 shut", stopped,
			publish(Published{Name: "x", To: named("node"), Ports: named9100, From: list("198.51.100.0/24")}),
			"eth0 2001:db8:11::7 > [2001:db8::1]:9100", false, "defaults.published"},
	})
}

func TestBindingEdges(t *testing.T) {
	// ranges gives web's 80 a range that holds the port alt was given.
	ranges := func(s *netinfo.Snapshot) {
		container(s, "web").Ports = []netinfo.PublishedPort{{HostAddr: ip("0.0.0.0"), HostPort: 9090, HostPortEnd: 9091, Proto: netinfo.TCP, ContainerPort: 80}}
	}
	internal := func(s *netinfo.Snapshot) { network(s, "b").Internal = true }
	onFront := []*Selector{{Names: []string{"web"}, Networks: []string{"front"}}}
	unknown := func(s *netinfo.Snapshot) { container(s, "web").Endpoints = nil }
	anywhere := []*Selector{{Names: []string{"web"}, Networks: []string{"*"}}}
	runEdges(t, []edgeCase{
		{"one port is closer than a range", ranges, publish(Published{Name: "x", To: named("alt"), From: list("any")}),
			"eth0 203.0.113.7 > 192.0.2.1:9090", true, "published.x"},
		{"the rest of the range is the other's", ranges, publish(Published{Name: "x", To: named("alt"), From: list("any")}),
			"eth0 203.0.113.7 > 192.0.2.1:9091", false, "defaults.published"},
		{"on one of two networks", asIs, publish(Published{Name: "x", To: onFront, From: list("any")}),
			"eth0 203.0.113.7 > 192.0.2.1:8080", false, "defaults.published"},
		{"an internal network carries no ports", internal, publish(Published{Name: "x", To: onFront, From: list("any")}),
			"eth0 203.0.113.7 > 192.0.2.1:8080", true, "published.x"},
		{"no network is not any network", unknown, publish(Published{Name: "x", To: anywhere, From: list("any")}),
			"eth0 203.0.113.7 > 192.0.2.1:8080", false, "defaults.published"},
	})
}

func TestDefaultEdges(t *testing.T) {
	openFront := func(p *Policy) {
		p.Networks = []Network{{Name: "front", Published: Allow, Between: Allow, Host: Allow}}
	}
	shut := func(p *Policy) { p.Defaults.Host, p.Networks = Deny, []Network{{Name: "back", Host: Deny}} }
	runEdges(t, []edgeCase{
		{"what is starting, with an open network", asIs, openFront, "eth0 203.0.113.7 > 192.0.2.1:7070", false, "defaults.published"},
		{"nothing that is starting is on the network called host", asIs, func(p *Policy) {
			p.Defaults.Published, p.Networks = Allow, []Network{{Name: "host", Published: Deny}}
		}, "eth0 203.0.113.7 > 192.0.2.1:7070", true, "defaults.published"},
		{"the default decides before the strictest network", asIs, shut, "br-new 172.30.0.5 > 172.30.0.1:22", false, "defaults.host"},
		{"a stopped container's port that the host has", asIs, func(p *Policy) { p.Defaults.Between = Deny },
			"br-back 172.19.0.3 > 192.0.2.1:7071", true, "defaults.host"},
		{"and that it has not", asIs, func(p *Policy) { p.Defaults.Between = Deny },
			"br-back 172.19.0.3 > 192.0.2.1:7070", false, "defaults.between"},
	})
}

func TestWaysOfRoutedMode(t *testing.T) {
	s := edited(func(s *netinfo.Snapshot) { network(s, "f").Mode4 = netinfo.GatewayRouted })
	for text, want := range map[string]int{
		"eth0 203.0.113.7 > 192.0.2.1:9090":        1, // alt's only network is not DNAT's
		"eth0 203.0.113.7 > 192.0.2.1:8080":        2, // web's other one is
		"eth0 2001:db8:11::7 > [2001:db8::1]:8080": 2, // and its IPv6
	} {
		if got := len(Ways(s, ask(t, text))); got != want {
			t.Errorf("%s: %d ways, want %d", text, got, want)
		}
	}
}
