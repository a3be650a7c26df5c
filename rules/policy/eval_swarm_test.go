package policy_test

import (
	"testing"

	"dockwall/netinfo"
	. "dockwall/rules/policy"
)

// swarm judges what the nodes send each other, and nothing else.
func TestSwarm(t *testing.T) {
	run(t, usual(), []evalCase{
		{"without the block: not judged", "eth0 198.51.100.7 > 192.0.2.1:2377", true, string(ByNobody)},
		{"without the block, the data path", "eth0 198.51.100.7 > 192.0.2.1:4789/udp", true, string(ByNobody)},
	})
	p := usual()
	p.Swarm = &Swarm{Peers: list("198.51.100.7/32", "2001:db8:10::7/128")}
	run(t, p, []evalCase{
		{"a peer's manager traffic", "eth0 198.51.100.7 > 192.0.2.1:2377", true, "swarm"},
		{"a peer, by another NIC", "eth1 198.51.100.7 > 192.0.2.1:7946", true, "swarm"},
		{"a peer's gossip", "eth0 198.51.100.7 > 192.0.2.1:7946/udp", true, "swarm"},
		{"a peer by IPv6", "eth0 2001:db8:10::7 > [2001:db8::1]:4789/udp", true, "swarm"},
		{"another host", "eth0 198.51.100.8 > 192.0.2.1:2377", false, "swarm"},
		{"another host's gossip", "eth0 198.51.100.8 > 192.0.2.1:7946", false, "swarm"},
		{"another host's UDP gossip", "eth0 198.51.100.8 > 192.0.2.1:7946/udp", false, "swarm"},
		{"another host's data path", "eth0 198.51.100.8 > 192.0.2.1:4789/udp", false, "swarm"},
		{"another host by IPv6", "eth0 2001:db8:10::8 > [2001:db8::1]:2377", false, "swarm"},
		{"a container", "br-back 172.19.0.3 > 172.19.0.1:2377", false, "swarm"},
		{"a container, the data path", "br-back 172.19.0.3 > 192.0.2.1:4789/udp", false, "swarm"},
		{"TCP 4789 is nothing of Swarm's", "eth0 198.51.100.8 > 192.0.2.1:4789", true, string(ByNobody)},
		{"UDP 2377 is nothing of Swarm's", "eth0 198.51.100.8 > 192.0.2.1:2377/udp", true, string(ByNobody)},
		{"loopback", "lo 127.0.0.1 > 127.0.0.1:2377", true, string(ByNobody)},
		{"the host's own address", "lo 192.0.2.1 > 192.0.2.1:7946", true, string(ByNobody)},
		{"another host's swarm", "br-back 172.19.0.3 > 203.0.113.5:2377 out eth0", true, "defaults.egress"},
	})
	p.Swarm = &Swarm{}
	run(t, p, []evalCase{{"no peers: no host", "eth0 198.51.100.7 > 192.0.2.1:2377", false, "swarm"}})
}

func TestSwarmESP(t *testing.T) {
	p, s := usual(), lab()
	esp := ask(t, "eth0 198.51.100.8 > 192.0.2.1:0")
	esp.Proto = netinfo.ESP
	if got := Eval(p, s, esp); !got.Allow {
		t.Errorf("ESP without the block: %+v", got)
	}
	p.Swarm = &Swarm{Peers: list("198.51.100.7/32")}
	if got := Eval(p, s, esp); got.Allow || got.Class != ClassSwarm {
		t.Errorf("ESP of another host: %+v", got)
	}
	esp.Source = ip("198.51.100.7")
	if got := Eval(p, s, esp); !got.Allow || got.Class != ClassSwarm {
		t.Errorf("ESP of a peer: %+v", got)
	}
}

// The engine tells where the Swarm's data path has another port; the usual one may be
// that of another node, and stays closed.
func TestSwarmDataPath(t *testing.T) {
	p, s := usual(), lab()
	p.Swarm = &Swarm{}
	for _, port := range []string{"4789", "7777"} {
		q := ask(t, "eth0 198.51.100.8 > 192.0.2.1:"+port+"/udp")
		if got := Eval(p, s, q); got.Allow != (port == "7777") {
			t.Errorf("%s/udp: %+v", port, got)
		}
	}
	s.Engine.DataPathPort = 7777
	if got := Eval(p, s, ask(t, "eth0 198.51.100.8 > 192.0.2.1:7777/udp")); got.Allow {
		t.Errorf("the engine's own data path is open: %+v", got)
	}
}
