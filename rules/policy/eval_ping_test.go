package policy_test

import (
	"slices"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	. "dockwall/rules/policy"
)

// Ports that are not the host's can hold pings. No other ICMP message is one.
func TestPings(t *testing.T) {
	p := usual()
	p.Networks = []Network{{Name: "back", Between: Deny}}
	p.Direct = []*Direct{{Name: "site", To: named("web"), Ports: append(Ping(), tcp(80, 80)), From: list("any")}}
	p.Between = []*Between{{Name: "web-db", From: named("web"), To: named("db"), Ports: Ping()}}
	p.Egress = []*Egress{{Name: "out", From: named("db"), To: list("any"), Ports: Ping()}}
	run(t, p, []evalCase{
		{"direct", "eth0 203.0.113.7 > 172.18.0.2:0/icmp", true, "direct.site"},
		{"direct, IPv6", "eth0 2001:db8:11::7 > [fd18::2]:0/ipv6-icmp", true, "direct.site"},
		{"direct, to another", "eth0 203.0.113.7 > 172.18.0.3:0/icmp", false, "defaults.direct"},
		{"between", "br-back 172.19.0.2 > 172.19.0.3:0/icmp", true, "between.web-db"},
		{"the other way round", "br-back 172.19.0.3 > 172.19.0.2:0/icmp", false, "network.back"},
		{"between, a port", "br-back 172.19.0.2 > 172.19.0.3:80", false, "network.back"},
		{"egress", "br-back 172.19.0.3 > 203.0.113.5:0/icmp out eth0", true, "egress.out"},
		{"egress, a port", "br-back 172.19.0.3 > 203.0.113.5:443 out eth0", false, "egress.out"},
	})
	timestamp := ask(t, "eth0 203.0.113.7 > 172.18.0.2:0/icmp")
	timestamp.ICMPType = 13
	if a := Eval(p, lab(), timestamp); a.Allow {
		t.Errorf("a timestamp request passes by %s", a.Origin.Subject)
	}
	p.Direct[0].Ports = slices.DeleteFunc(p.Direct[0].Ports, Ports.IsPing)
	run(t, p, []evalCase{{"not listed", "eth0 203.0.113.7 > 172.18.0.2:0/icmp", false, "defaults.direct"}})
	for proto, want := range map[rules.Protocol]uint8{netinfo.ICMP: 8, netinfo.ICMPv6: 128} {
		if got := (Question{Proto: proto}).MessageType(); got != want {
			t.Errorf("a ping of protocol %s has type %d, want %d", proto, got, want)
		}
	}
}
