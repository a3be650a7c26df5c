package main

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

// The tables load, with networks of every kind and without any.
func TestTablesLoad(t *testing.T) {
	made := func(id string, internal bool, options map[string]string, subnets ...string) network {
		n := network{ID: strings.Repeat(id, 12), Driver: "bridge", Internal: internal, Options: options, EnableIPv6: len(subnets) == 2}
		for _, s := range subnets {
			n.IPAM.Config = append(n.IPAM.Config, struct{ Subnet string }{s})
		}
		return n
	}
	networks := []network{
		made("a", false, map[string]string{"com.docker.network.bridge.name": "docker0"}, "172.17.0.0/16"),
		made("b", false, map[string]string{"com.docker.network.bridge.enable_icc": "false"}, "172.18.0.0/16", "fd00:b::/64"),
		made("c", true, nil, "172.19.0.0/16"),
		made("d", false, map[string]string{"com.docker.network.bridge.gateway_mode_ipv4": "routed", "com.docker.network.bridge.gateway_mode_ipv6": "routed"}, "172.20.0.0/16", "fd00:d::/64"),
	}
	addr := netip.MustParseAddr
	endpoints := map[string][]endpoint{}
	for i, n := range networks {
		four, six := addr("172.17.0.2").As4(), addr("fd00:b::2")
		four[1] += byte(i)
		endpoints[n.ID] = []endpoint{
			{netip.AddrFrom4(four), []binding{{"tcp", "80", "8080", addr("0.0.0.0")}, {"udp", "53", "53", addr("192.0.2.1")}}},
			{six, []binding{{"tcp", "80", "8080", addr("::")}}}}
	}
	for _, script := range []string{tables(nil, nil), tables(networks, endpoints)} {
		cmd := exec.Command("unshare", "--net", "nft", "-f", "-")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s\n%s", err, out, script)
		}
	}
	for _, want := range []string{`iifname != "docker0" tcp dport 8080 counter dnat to 172.17.0.2:80`, `ip6 daddr fd00:b::2 tcp dport 80 counter accept`, "INTERNAL NETWORK EGRESS"} {
		if !strings.Contains(tables(networks, endpoints), want) {
			t.Errorf("there is no %q", want)
		}
	}
}
