package policy_test

import (
	"testing"

	"dockwall/netinfo"
	. "dockwall/rules/policy"
)

func TestBetween(t *testing.T) {
	run(t, usual(), []evalCase{{"by default", "br-back 172.19.0.3 > 172.19.0.2:80", true, "defaults.between"}})
	p := usual()
	p.Networks = []Network{{Name: "back", Between: Deny}, {Name: "front", Egress: Deny}}
	p.Between = []*Between{{Name: "web-db", From: named("web"), To: named("db"), Ports: []Ports{tcp(5432, 5432)}}}
	run(t, p, []evalCase{
		{"listed", "br-back 172.19.0.2 > 172.19.0.3:5432", true, "between.web-db"},
		{"another port", "br-back 172.19.0.2 > 172.19.0.3:22", false, "network.back"},
		{"another protocol", "br-back 172.19.0.2 > 172.19.0.3:5432/udp", false, "network.back"},
		{"the other way round", "br-back 172.19.0.3 > 172.19.0.2:5432", false, "network.back"},
		{"a source nobody knows", "br-back 172.19.9.9 > 172.19.0.3:5432", false, "network.back"},
		{"a source that is another bridge's", "br-back 172.18.0.2 > 172.19.0.3:5432", false, string(BySpoofed)},
		{"a target nobody knows", "br-back 172.19.0.2 > 172.19.9.9:5432", false, "network.back"},
		{"another network follows the default", "br-front 172.18.0.2 > 172.18.0.3:80", true, "defaults.between"},
		{"across networks by address", "br-front 172.18.0.3 > 172.19.0.3:5432", false, string(ByDirect)},
	})
	p.Between[0].From = []*Selector{{Names: []string{"web"}, Networks: []string{"front"}}}
	run(t, p, []evalCase{
		{"networks counts only addresses there", "br-back 172.19.0.2 > 172.19.0.3:5432", false, "network.back"}})
}

func TestContainerToPublishedPort(t *testing.T) {
	p := usual()
	p.Published = []*Published{{Name: "all", From: list("any")}}
	p.Host = []*Host{{Name: "dns", Ports: []Ports{{Proto: netinfo.UDP, Lo: 53, Hi: 53}}}}
	p.Networks = []Network{{Name: "front", Between: Deny}}
	p.Between = []*Between{{Name: "db-alt", From: named("db"), To: named("alt"), Ports: []Ports{tcp(80, 80)}}}
	run(t, p, []evalCase{
		{"by its own port, docker-proxy", "br-back 172.19.0.3 > 192.0.2.1:9090", true, "between.db-alt"},
		{"by its own port, DNAT", "br-back 172.19.0.3 > 192.0.2.1:9090 dnat 172.18.0.3:80", true, "between.db-alt"},
		{"by the gateway's address", "br-back 172.19.0.3 > 172.19.0.1:9090", true, "between.db-alt"},
		{"not listed, docker-proxy", "br-back 172.19.0.2 > 192.0.2.1:9090", false, "network.front"},
		{"not listed, DNAT", "br-back 172.19.0.2 > 192.0.2.1:9090 dnat 172.18.0.3:80", false, "network.front"},
		{"on the same network", "br-front 172.18.0.2 > 172.18.0.1:9090", false, "network.front"},
		{"where the network is not seen all must agree", "br-back 172.19.0.3 > 192.0.2.1:8080", false, "network.front"},
		{"the target's network counts", "br-front 172.18.0.3 > 192.0.2.1:8080 dnat 172.19.0.2:80", true, "defaults.between"},
		{"routed mode, by address", "br-back 172.19.0.3 > 172.20.0.2:80", true, "defaults.between"},
		{"routed mode, another port", "br-back 172.19.0.3 > 172.20.0.2:81", false, string(ByDirect)},
		{"what is starting", "br-back 172.19.0.3 > 192.0.2.1:7070", false, "network.front"},
	})
}

func TestEgress(t *testing.T) {
	run(t, usual(), []evalCase{
		{"by default", "br-back 172.19.0.3 > 203.0.113.5:443 out eth0", true, "defaults.egress"},
		{"nothing is held without a block", "br-back 172.19.9.9 > 203.0.113.5:443 out eth0", true, "defaults.egress"},
	})
	p := usual()
	p.Networks = []Network{{Name: "front", Egress: Deny}}
	p.Egress = []*Egress{{Name: "mirror", From: []*Selector{{Names: []string{"db", "web"}, Networks: []string{"back"}}},
		To: list("203.0.113.0/24", "2001:db8:20::/48"), Except: list("203.0.113.66/32"), Ports: []Ports{tcp(443, 443)}, Via: nics("eth*")}}
	run(t, p, []evalCase{
		{"listed", "br-back 172.19.0.3 > 203.0.113.5:443 out eth0", true, "egress.mirror"},
		{"another address", "br-back 172.19.0.3 > 198.51.100.5:443 out eth0", false, "egress.mirror"},
		{"except", "br-back 172.19.0.3 > 203.0.113.66:443 out eth0", false, "egress.mirror"},
		{"another port", "br-back 172.19.0.3 > 203.0.113.5:80 out eth0", false, "egress.mirror"},
		{"by another NIC", "br-back 172.19.0.3 > 203.0.113.5:443 out wg0", false, "egress.mirror"},
		{"its address on another network", "br-front 172.18.0.2 > 203.0.113.5:443 out eth0", false, "network.front"},
		{"a container that no block names", "br-routed 172.20.0.2 > 198.51.100.5:80 out eth0", true, "defaults.egress"},
		{"a source nobody knows is held", "br-back 172.19.9.9 > 203.0.113.5:443 out eth0", false, string(ByHeld)},
		{"a bridge that has just come", "br-new 172.30.0.5 > 203.0.113.5:443 out eth0", false, string(ByHeld)},
		{"a macvlan container's address, from a bridge", "br-routed 172.20.0.2 > 192.0.2.200:80 out eth0", true, "defaults.egress"},
	})
	p.Egress[0].From = nil
	run(t, p, []evalCase{{"from left out: every container", "br-routed 172.20.0.2 > 198.51.100.5:80 out eth0", false, "egress.mirror"}})
}

func TestHost(t *testing.T) {
	p := usual()
	p.Host = []*Host{{Name: "dns", From: named("web"), Ports: []Ports{{Proto: netinfo.UDP, Lo: 53, Hi: 53}}}}
	p.Networks = []Network{{Name: "back", Host: Deny}}
	run(t, p, []evalCase{
		{"listed", "br-front 172.18.0.2 > 172.18.0.1:53/udp", true, "host.dns"},
		{"another port", "br-front 172.18.0.2 > 172.18.0.1:22", false, "host.dns"},
		{"by another host address", "br-front 172.18.0.2 > 10.0.0.1:22", false, "host.dns"},
		{"IPv6", "br-front fd18::2 > [2001:db8::1]:22", false, "host.dns"},
		{"not named, by default", "br-front 172.18.0.3 > 172.18.0.1:22", true, "defaults.host"},
		{"not named, by its network", "br-back 172.19.0.3 > 172.19.0.1:22", false, "network.back"},
		{"a source nobody knows is held", "br-front 172.18.9.9 > 172.18.0.1:53/udp", false, string(ByHeld)},
		{"host blocks are not egress's", "br-front 172.18.0.2 > 203.0.113.5:443 out eth0", true, "defaults.egress"},
		{"the host's loopback", "br-front 172.18.0.3 > 127.0.0.1:22", false, string(ByLoopback)},
		{"a ping is no service", "br-back 172.19.0.3 > 172.19.0.1:0/icmp", true, string(ByNobody)},
		{"what is starting may be a host service", "br-front 172.18.0.2 > 172.18.0.1:7070", false, "host.dns"},
	})
}

func TestNotJudged(t *testing.T) {
	p := usual()
	p.Defaults = Defaults{Published: Deny, Between: Deny, Egress: Deny, Host: Deny}
	run(t, p, []evalCase{
		{"the host's own traffic", "host 192.0.2.1 > 172.18.0.2:80", true, string(ByNobody)},
		{"lo", "lo 127.0.0.1 > 127.0.0.1:8080", true, string(ByNobody)},
		{"to a macvlan container", "eth0 203.0.113.7 > 192.0.2.200:80", true, string(ByNotCovered)},
		{"from a macvlan container", "eth0 192.0.2.200 > 203.0.113.5:80 by mac", true, string(ByNotCovered)},
	})
}

// --network container:web is web: it has no address of its own, so that web's
// blocks hold, and what names only the guest says nothing.
func TestSharedNetwork(t *testing.T) {
	p := usual()
	p.Published = []*Published{{Name: "side", To: named("side"), From: list("any")}}
	p.Egress = []*Egress{{Name: "side", From: named("side")}}
	run(t, p, []evalCase{
		{"its own name opens nothing", "eth0 203.0.113.7 > 192.0.2.1:8080", false, "defaults.published"},
		{"and restricts nothing", "br-back 172.19.0.2 > 203.0.113.5:80 out eth0 by side", true, "defaults.egress"},
	})
}

func TestWays(t *testing.T) {
	for _, tc := range []struct {
		question string
		want     []string
	}{
		{"eth0 203.0.113.7 > 192.0.2.1:8080", []string{"invalid AddrPort", "172.19.0.2:80", "172.18.0.2:80"}},
		{"eth0 2001:db8:11::7 > [2001:db8::1]:8080", []string{"invalid AddrPort", "[fd18::2]:80"}},
		{"eth0 203.0.113.7 > 10.0.0.1:8443", []string{"invalid AddrPort", "172.18.0.3:8443"}},
		{"eth0 203.0.113.7 > 192.0.2.1:7070", []string{"invalid AddrPort"}},
		{"eth0 203.0.113.7 > 172.18.0.2:80", []string{"invalid AddrPort"}},
		{"lo 127.0.0.1 > 192.0.2.1:8080", []string{"invalid AddrPort"}},
	} {
		var got []string
		for _, w := range Ways(lab(), ask(t, tc.question)) {
			got = append(got, w.DNAT.String())
		}
		if len(got) != len(tc.want) {
			t.Errorf("%s: ways %v, want %v", tc.question, got, tc.want)
			continue
		}
		for i := range got {
			if got[i] != tc.want[i] {
				t.Errorf("%s: ways %v, want %v", tc.question, got, tc.want)
			}
		}
	}
}

// A port published without an address is bound where its network says.
func TestBindAddr(t *testing.T) {
	s := lab()
	for i := range s.Networks {
		if s.Networks[i].ID == "f" {
			s.Networks[i].BindAddr = ip("10.0.0.1")
		}
	}
	for text, want := range map[string]string{
		"eth0 203.0.113.7 > 10.0.0.1:9090":  "defaults.published",
		"eth0 203.0.113.7 > 192.0.2.1:9090": string(ByNobody),
		"eth0 203.0.113.7 > 192.0.2.1:8080": "defaults.published", // web's networks do not agree
	} {
		if got := Eval(usual(), s, ask(t, text)).Origin.Subject.String(); got != want {
			t.Errorf("%s: by %s, want %s", text, got, want)
		}
	}
}
