package policy_test

import (
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	. "dockwall/rules/policy"
)

// shop lets the office to web's 8080 and 8443 by eth0, and the office's VPN to
// every port of everything.
func shop() Policy {
	p := usual()
	p.Published = []*Published{
		{Name: "shop", To: named("web"), Ports: []Ports{tcp(8080, 8080), tcp(8443, 8443)},
			From: list("198.51.100.0/24", "2001:db8:10::/48"), Except: list("198.51.100.66/32"), Via: nics("eth0"),
			Origin: rules.Origin{File: "agent.hcl", Line: 31}},
		{Name: "vpn", From: list("10.99.0.0/24"), Via: nics("wg*")},
	}
	return p
}

func TestPublished(t *testing.T) {
	run(t, shop(), []evalCase{
		{"by DNAT", "eth0 198.51.100.7 > 192.0.2.1:8080 dnat 172.18.0.2:80", true, "published.shop"},
		{"by docker-proxy", "eth0 198.51.100.7 > 192.0.2.1:8080", true, "published.shop"},
		{"not the office", "eth0 203.0.113.7 > 192.0.2.1:8080 dnat 172.18.0.2:80", false, "defaults.published"},
		{"not the office, by docker-proxy", "eth0 203.0.113.7 > 192.0.2.1:8080", false, "defaults.published"},
		{"except", "eth0 198.51.100.66 > 192.0.2.1:8080", false, "defaults.published"},
		{"IPv6 client of an IPv4 port", "eth0 2001:db8:10::7 > [2001:db8::1]:8080", true, "published.shop"},
		{"IPv6 client, not the office", "eth0 2001:db8:11::7 > [2001:db8::1]:8080", false, "defaults.published"},
		{"fe80 client", "eth0 fe80::7 > [fe80::1]:8080", false, "defaults.published"},
		{"any host address", "eth0 198.51.100.7 > 10.0.0.1:8080", true, "published.shop"},
		{"via another NIC, the same address", "eth1 198.51.100.7 > 192.0.2.1:8080", false, "defaults.published"},
		{"another port of the container", "eth0 198.51.100.7 > 192.0.2.1:9090 dnat 172.18.0.3:80", false, "defaults.published"},
		{"another block", "wg0 10.99.0.5 > 192.0.2.1:9090", true, "published.vpn"},
		{"one host port, web's address", "eth0 198.51.100.7 > 192.0.2.1:8443", true, "published.shop"},
		{"one host port, alt's address", "eth0 198.51.100.7 > 10.0.0.1:8443", false, "defaults.published"},
		{"a stopped container's port waits", "wg0 10.99.0.5 > 192.0.2.1:7070", false, "defaults.published"},
		{"a host service holds that port", "eth0 203.0.113.7 > 192.0.2.1:7071", true, string(ByNobody)},
		{"a host service", "eth0 203.0.113.7 > 192.0.2.1:22", true, string(ByNobody)},
		{"nobody's UDP port", "eth0 203.0.113.7 > 192.0.2.1:8080/udp", true, string(ByNobody)},
		{"DNAT to a container nobody knows", "wg0 10.99.0.5 > 192.0.2.1:9999 dnat 172.18.0.99:99", true, "published.vpn"},
		{"the same, not the VPN", "eth0 198.51.100.7 > 192.0.2.1:8080 dnat 172.18.0.99:80", false, "defaults.published"},
		{"outside by a foreign bridge", "br-lan 10.88.0.7 > 192.0.2.1:8080", false, "defaults.published"},
		{"outside to outside", "eth0 203.0.113.7 > 10.88.0.9:80 out br-lan", true, string(ByNobody)},
	})
}

func TestTheFirstBlockIsNamed(t *testing.T) {
	p := shop()
	p.Published = append([]*Published{{Name: "all", From: list("any")}}, p.Published...)
	run(t, p, []evalCase{{"two blocks allow", "eth0 198.51.100.7 > 192.0.2.1:8080", true, "published.all"},
		{"except takes away from its own block only", "eth0 198.51.100.66 > 192.0.2.1:8080", true, "published.all"}})
	got := Eval(shop(), lab(), ask(t, "eth0 198.51.100.7 > 192.0.2.1:8080")).Origin
	if want := (rules.Origin{Subject: rules.Subject{Kind: "published", Name: "shop"}, File: "agent.hcl", Line: 31}); got != want {
		t.Errorf("origin = %+v, want %+v", got, want)
	}
}

func TestDefaultsPublishedAllow(t *testing.T) {
	p := usual()
	p.Defaults.Published = Allow
	p.Networks = []Network{{Name: "back", Published: Deny}}
	run(t, p, []evalCase{
		{"open to all", "eth0 203.0.113.7 > 192.0.2.1:9090", true, "defaults.published"},
		{"a container's address stays shut", "eth0 203.0.113.7 > 172.18.0.3:80", false, "defaults.direct"},
		{"a network's own default", "eth0 203.0.113.7 > 192.0.2.1:8080 dnat 172.19.0.2:80", false, "network.back"},
		{"the network it was sent to counts", "eth0 203.0.113.7 > 192.0.2.1:8080 dnat 172.18.0.2:80", true, "defaults.published"},
		{"where that is not seen all must agree", "eth0 203.0.113.7 > 192.0.2.1:8080", false, "network.back"},
		{"what is starting is nobody's network's yet", "eth0 203.0.113.7 > 192.0.2.1:7070", false, "network.back"},
	})
}

func TestDirect(t *testing.T) {
	p := usual()
	p.Published = []*Published{{Name: "all", From: list("any")}}
	run(t, p, []evalCase{
		{"past the published port", "eth0 203.0.113.7 > 172.18.0.2:80", false, "defaults.direct"},
		{"an unpublished port", "eth0 203.0.113.7 > 172.18.0.2:22", false, "defaults.direct"},
		{"IPv6", "eth0 2001:db8:11::7 > [fd18::2]:80", false, "defaults.direct"},
		{"nobody's address", "eth0 203.0.113.7 > 172.18.9.9:80", false, "defaults.direct"},
		{"a bridge that has just come", "eth0 203.0.113.7 > 172.30.0.5:80", false, "defaults.direct"},
		{"routed mode: the published port", "eth0 203.0.113.7 > 172.20.0.2:80", true, "published.all"},
		{"routed mode: another port", "eth0 203.0.113.7 > 172.20.0.2:81", false, "defaults.direct"},
		{"routed mode: nobody", "eth0 203.0.113.7 > 172.20.0.9:80", false, "defaults.direct"},
	})
	p.Published[0].Ports = []Ports{tcp(8080, 8080)}
	run(t, p, []evalCase{
		{"routed mode: ports are the container's", "eth0 203.0.113.7 > 172.20.0.2:80", false, "defaults.published"}})
}

func TestDirectBlocks(t *testing.T) {
	p := usual()
	p.Direct = []*Direct{
		{Name: "site", To: named("web", "ext"), Behind: list("10.8.0.0/24"), Ports: []Ports{tcp(80, 81)}, From: list("198.51.100.0/24", "2001:db8:10::/48"),
			Except: list("198.51.100.66/32"), Via: nics("eth0")},
		{Name: "vpn", From: list("10.99.0.0/24"), Via: nics("wg*")},
	}
	p.Networks = []Network{{Name: "back", Direct: Allow, Published: Allow}}
	s := lab()
	s.Routes = []netinfo.Route{{Prefix: pfx("10.8.0.0/16"), Link: "br-front", Gateway: ip("172.18.0.3")}, {Prefix: pfx("10.8.3.0/24"), Link: "br-back"}}
	s.OtherRoutes = []netinfo.Route{{Prefix: pfx("10.8.9.0/24"), Link: "eth1"}}
	runOn(t, s, p, []evalCase{
		{"a container's address", "eth0 198.51.100.7 > 172.18.0.2:80", true, "direct.site"},
		{"IPv6", "eth0 2001:db8:10::7 > [fd18::2]:81", true, "direct.site"},
		{"another port", "eth0 198.51.100.7 > 172.18.0.2:82", false, "defaults.direct"},
		{"another container", "eth0 198.51.100.7 > 172.18.0.3:80", false, "defaults.direct"},
		{"not from there", "eth0 203.0.113.7 > 172.18.0.2:80", false, "defaults.direct"},
		{"except", "eth0 198.51.100.66 > 172.18.0.2:80", false, "defaults.direct"},
		{"by another NIC", "eth1 198.51.100.7 > 172.18.0.2:80", false, "defaults.direct"},
		{"its published port is another matter", "eth0 198.51.100.7 > 192.0.2.1:8080 dnat 172.18.0.2:80", false, "defaults.published"},
		{"no to: every container", "wg0 10.99.0.5 > 172.18.0.3:22", true, "direct.vpn"},
		{"and what lies behind one", "wg0 10.99.0.5 > 10.8.5.5:22", true, "direct.vpn"},
		{"behind a container", "eth0 198.51.100.7 > 10.8.0.5:80", true, "direct.site"},
		{"behind it, not named", "eth0 198.51.100.7 > 10.8.1.5:80", false, "defaults.direct"},
		{"the network of the longest route decides", "eth0 203.0.113.7 > 10.8.3.5:80", true, "network.back"},
		{"a longer route by a NIC", "eth0 203.0.113.7 > 10.8.9.5:80 out eth1", true, string(ByNobody)},
		{"a network's own default", "eth0 203.0.113.7 > 172.19.0.3:5432", true, "network.back"},
		{"routed mode: direct opens a published port", "eth0 198.51.100.7 > 172.20.0.2:80", true, "direct.site"},
		{"routed mode: and another", "eth0 198.51.100.7 > 172.20.0.2:81", true, "direct.site"},
		{"routed mode: the published default", "eth0 203.0.113.7 > 172.20.0.2:80", false, "defaults.published"},
		{"containers of other networks stay out", "br-back 172.19.0.3 > 172.18.0.2:80", false, string(ByDirect)},
		{"what lies behind is between for containers", "br-back 172.19.0.3 > 10.8.0.5:80", true, "defaults.between"},
	})
	p.Defaults.Direct, p.Networks, p.Direct = Allow, []Network{{Name: "front", Direct: Deny}}, nil
	runOn(t, s, p, []evalCase{
		{"open by default", "eth0 203.0.113.7 > 172.19.0.3:5432", true, "defaults.direct"},
		{"a network that is closed", "eth0 203.0.113.7 > 10.8.0.5:80", false, "network.front"},
		{"a bridge that has just come may be that network", "eth0 203.0.113.7 > 172.30.0.5:80", false, "network.front"},
	})
}

func TestHostNetwork(t *testing.T) {
	p := usual()
	p.Published = []*Published{
		{Name: "all", From: list("any")},
		{Name: "metrics", To: named("node"), Ports: []Ports{tcp(9100, 9100)}, From: list("198.51.100.0/24")},
		{Name: "portless", To: named("node"), From: list("any")},
	}
	run(t, p, []evalCase{
		{"named container and port", "eth0 198.51.100.7 > 192.0.2.1:9100", true, "published.metrics"},
		{"not from there", "eth0 203.0.113.7 > 192.0.2.1:9100", false, "defaults.published"},
		{"a port that no block names", "eth0 203.0.113.7 > 192.0.2.1:9101", true, string(ByNobody)},
		{"containers: a host service", "br-back 172.19.0.3 > 192.0.2.1:9100", true, "defaults.host"},
		{"a container's own port beats it", "eth0 203.0.113.7 > 192.0.2.1:9090", true, "published.all"},
	})
	p.Networks = []Network{{Name: "host", Published: Allow}}
	run(t, p, []evalCase{{"the network called host", "eth0 203.0.113.7 > 192.0.2.1:9100", true, "network.host"}})
	p.Published[1].To = []*Selector{{Names: []string{"node"}, Networks: []string{"front"}}}
	run(t, p, []evalCase{{"not on that network", "eth0 203.0.113.7 > 192.0.2.1:9100", true, string(ByNobody)}})
}

// A port on which a process of a container on the host's network listens is a published
// port of that container, whether or not a block names it.
func TestHostNetworkListens(t *testing.T) {
	s := lab()
	c := container(&s, "node")
	for _, p := range []uint16{9100, 9200} {
		c.Ports = append(c.Ports, netinfo.PublishedPort{HostPort: p, HostPortEnd: p, Proto: netinfo.TCP, ContainerPort: p})
	}
	c.Ports = append(c.Ports, netinfo.PublishedPort{HostAddr: ip("192.0.2.1"), HostPort: 9300, HostPortEnd: 9300, Proto: netinfo.UDP, ContainerPort: 9300})
	closed := usual()
	to, port, all, other, host := usual(), usual(), usual(), usual(), usual()
	to.Published = []*Published{{Name: "to", To: named("node"), From: list("198.51.100.0/24")}}
	port.Published = []*Published{{Name: "port", Ports: []Ports{tcp(9100, 9100)}, From: list("198.51.100.0/24")}}
	all.Published = []*Published{{Name: "all", From: list("198.51.100.0/24")}}
	other.Published = []*Published{{Name: "other", To: named("web"), Ports: []Ports{tcp(9100, 9100)}, From: list("any")}}
	host.Defaults.Published, host.Networks = Allow, []Network{{Name: "host", Published: Deny}}
	for _, tt := range []struct {
		name     string
		p        Policy
		question string
		allow    bool
		by       string
	}{
		{"no block", closed, "eth0 198.51.100.7 > 192.0.2.1:9100", false, "defaults.published"},
		{"no block, IPv6", closed, "eth0 2001:db8:10::7 > [2001:db8::1]:9200", false, "defaults.published"},
		{"at one address", closed, "eth0 198.51.100.7 > 192.0.2.1:9300/udp", false, "defaults.published"},
		{"at another address", closed, "eth0 198.51.100.7 > 10.0.0.1:9300/udp", true, string(ByNobody)},
		{"the host's own beside it", closed, "eth0 198.51.100.7 > 192.0.2.1:22", true, string(ByNobody)},
		{"a container's way to it", closed, "br-back 172.19.0.3 > 192.0.2.1:9100", true, "defaults.host"},
		{"to without ports", to, "eth0 198.51.100.7 > 192.0.2.1:9200", true, "published.to"},
		{"to without ports, from elsewhere", to, "eth0 203.0.113.7 > 192.0.2.1:9200", false, "defaults.published"},
		{"ports without to", port, "eth0 198.51.100.7 > 192.0.2.1:9100", true, "published.port"},
		{"ports without to, another port", port, "eth0 198.51.100.7 > 192.0.2.1:9200", false, "defaults.published"},
		{"neither", all, "eth0 198.51.100.7 > 192.0.2.1:9100", true, "published.all"},
		{"a block for another container", other, "eth0 198.51.100.7 > 192.0.2.1:9100", false, "defaults.published"},
		{"the network called host", host, "eth0 198.51.100.7 > 192.0.2.1:9100", false, "network.host"},
	} {
		got := Eval(tt.p, s, ask(t, tt.question))
		if got.Allow != tt.allow || got.Origin.Subject.String() != tt.by {
			t.Errorf("%s: %s: allow %v by %s, want %v by %s", tt.name, tt.question, got.Allow, got.Origin.Subject, tt.allow, tt.by)
		}
	}
}

func TestDockerAPI(t *testing.T) {
	run(t, usual(), []evalCase{
		{"without the block: closed", "eth0 198.51.100.7 > 192.0.2.1:2375", false, "docker_api"},
		{"to containers too", "br-back 172.19.0.3 > 172.19.0.1:2376", false, "docker_api"},
		{"where dockerd is seen", "eth0 198.51.100.7 > 192.0.2.1:4243", false, "docker_api"},
		{"IPv6", "eth0 2001:db8:10::7 > [2001:db8::1]:2375", false, "docker_api"},
		{"UDP is another matter", "eth0 198.51.100.7 > 192.0.2.1:2375/udp", true, string(ByNobody)},
		{"loopback dialled from outside", "eth0 198.51.100.7 > 127.0.0.1:2375", false, string(ByLoopback)},
		{"loopback", "lo 127.0.0.1 > 127.0.0.1:2375", true, string(ByNobody)},
		{"another host's", "br-back 172.19.0.3 > 203.0.113.5:2375 out eth0", true, "defaults.egress"},
	})
	p := usual()
	p.DockerAPI = &DockerAPI{From: list("198.51.100.0/24", "172.19.0.3/32"), Except: list("198.51.100.66/32"), Via: nics("eth0", "br-back")}
	run(t, p, []evalCase{
		{"from there", "eth0 198.51.100.7 > 192.0.2.1:2375", true, "docker_api"},
		{"except", "eth0 198.51.100.66 > 192.0.2.1:2375", false, "docker_api"},
		{"via another NIC", "eth1 198.51.100.7 > 192.0.2.1:2375", false, "docker_api"},
		{"a container", "br-back 172.19.0.3 > 192.0.2.1:4243", true, "docker_api"},
		{"another container", "br-back 172.19.0.2 > 192.0.2.1:4243", false, "docker_api"},
	})
}

// ports are what the block opens, and what it judges beside the API: other ports of
// dockerd's, Swarm's among them, are host services unless they are listed.
func TestDockerAPIPorts(t *testing.T) {
	p := usual()
	p.DockerAPI = &DockerAPI{From: list("198.51.100.0/24"), Ports: []Ports{{Proto: netinfo.TCP, Lo: 4243, Hi: 4243}, {Proto: netinfo.TCP, Lo: 9323, Hi: 9324}}}
	run(t, p, []evalCase{
		{"listed", "eth0 198.51.100.7 > 192.0.2.1:4243", true, "docker_api"},
		{"listed, from elsewhere", "eth0 203.0.113.7 > 192.0.2.1:4243", false, "docker_api"},
		{"the API's, not listed", "eth0 198.51.100.7 > 192.0.2.1:2375", false, "docker_api"},
		{"metrics", "eth0 198.51.100.7 > 192.0.2.1:9323", true, "docker_api"},
		{"metrics, from elsewhere", "eth0 203.0.113.7 > 192.0.2.1:9324", false, "docker_api"},
		{"metrics, from a container", "br-back 172.19.0.3 > 172.19.0.1:9323", false, "docker_api"},
		{"another protocol", "eth0 203.0.113.7 > 192.0.2.1:9323/udp", true, string(ByNobody)},
		{"Swarm's", "eth0 203.0.113.7 > 192.0.2.1:2377", true, string(ByNobody)},
	})
}

// A container may publish 2375 (a socket proxy); then it is that container's.
func TestDockerAPIPortOfAContainer(t *testing.T) {
	s := lab()
	for i := range s.Containers {
		if s.Containers[i].ID == "alt" {
			s.Containers[i].Ports = append(s.Containers[i].Ports, netinfo.PublishedPort{HostPort: 2375, HostPortEnd: 2375,
				Proto: netinfo.TCP, ContainerPort: 2375})
		}
	}
	p := usual()
	p.Published = []*Published{{Name: "proxy", To: named("alt"), From: list("any")}}
	for _, text := range []string{"eth0 203.0.113.7 > 192.0.2.1:2375", "eth0 203.0.113.7 > 192.0.2.1:2375 dnat 172.18.0.3:2375"} {
		if got := Eval(p, s, ask(t, text)); got.Origin.Subject.String() != "published.proxy" {
			t.Errorf("%s: by %s, want published.proxy", text, got.Origin.Subject)
		}
	}
}

func TestViaByAddress(t *testing.T) {
	p := usual()
	p.Published = []*Published{{Name: "lan", From: list("any"), Via: []*Interfaces{{Prefixes: list("10.0.0.0/24").Literals}}}}
	run(t, p, []evalCase{
		{"the NIC that has an address inside", "eth1 203.0.113.7 > 192.0.2.1:9090", true, "published.lan"},
		{"another NIC", "eth0 203.0.113.7 > 10.0.0.1:9090", false, "defaults.published"},
		{"a third NIC", "wg0 203.0.113.7 > 192.0.2.1:9090", false, "defaults.published"},
	})
}

func TestBlock(t *testing.T) {
	p := shop()
	p.DockerAPI = &DockerAPI{From: list("any")}
	p.Blocks = []*Block{
		{Name: "abusers", From: list("198.51.100.7/32", "172.19.0.3/32")},
		{Name: "sinks", To: list("203.0.113.0/24", "172.18.0.3/32")},
	}
	run(t, p, []evalCase{
		{"beats every allow", "eth0 198.51.100.7 > 192.0.2.1:8080", false, "block.abusers"},
		{"by DNAT too", "eth0 198.51.100.7 > 192.0.2.1:8080 dnat 172.18.0.2:80", false, "block.abusers"},
		{"the engine", "eth0 198.51.100.7 > 192.0.2.1:2375", false, "block.abusers"},
		{"host services", "eth0 198.51.100.7 > 192.0.2.1:22", false, "block.abusers"},
		{"on the way to elsewhere", "eth0 198.51.100.7 > 10.88.0.9:80 out br-lan", false, "block.abusers"},
		{"containers' addresses too", "br-back 172.19.0.3 > 172.19.0.2:80", false, "block.abusers"},
		{"no container to these", "br-back 172.19.0.2 > 203.0.113.5:80 out eth0", false, "block.sinks"},
		{"nor to a container among these", "br-front 172.18.0.2 > 172.18.0.3:80", false, "block.sinks"},
		{"nor by its port, after DNAT", "br-back 172.19.0.2 > 192.0.2.1:9090 dnat 172.18.0.3:80", false, "block.sinks"},
		{"outside may", "eth0 192.0.2.7 > 203.0.113.5:80 out eth1", true, string(ByNobody)},
		{"the host may", "host 192.0.2.1 > 203.0.113.5:80 out eth0", true, string(ByNobody)},
		{"lo is never judged", "lo 198.51.100.7 > 198.51.100.7:80", true, string(ByNobody)},
	})
}
