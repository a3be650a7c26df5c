package docker_test

import (
	"net/netip"
	"testing"

	"dockwall/test/lab"
)

// TestPaths measures every path to a container, per engine: since 28 Docker
// itself stops what is routed past the published port, before that nothing
// does.
func TestPaths(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			town := build(t, lab.Options{Engine: engine})
			past, sixDNAT := direct, proxied
			if major(t, engine) >= 27 {
				sixDNAT = direct // ip6tables is on by default
			}
			if major(t, engine) >= 28 {
				past = none
			}
			hairpin := proxied
			check(t, town.Lab, town.gateways, append(town.published(sixDNAT, direct, hairpin), town.past(past, none)...))
		})
	}
}

// TestPathsWithoutIptables measures the same with Docker's firewall off:
// docker-proxy serves what is published, and everything else is a route away.
func TestPathsWithoutIptables(t *testing.T) {
	for _, engine := range lab.Engines(t) {
		t.Run(engine, func(t *testing.T) {
			args := []string{"--iptables=false"}
			if major(t, engine) >= 27 {
				args = append(args, "--ip6tables=false")
			}
			town := build(t, lab.Options{Engine: engine, Args: args})
			check(t, town.Lab, town.gateways, append(town.published(proxied, proxied, proxied), town.past(direct, direct)...))
		})
	}
}

// published are the paths that lead to a published port on the host's own
// addresses. six is how IPv6 reaches a container that has IPv6; outside how
// IPv4 does; hairpin how another container does.
func (o town) published(six, outside, hairpin string) []path {
	wan, lan, host := o.Client("wan"), o.Client("lan"), o.Client("host")
	v4, v6 := o.HostAddr("eth0", 4), o.HostAddr("eth0", 6)
	loop4, loop6 := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()
	return []path{
		{"wan to host, tcp", ask(wan, "tcp", v4, 8080), outside},
		{"wan to host, udp", ask(wan, "udp", v4, 8080), outside},
		{"wan to host's IPv6, container without IPv6", ask(wan, "tcp", v6, 8080), proxied},
		{"wan to host's IPv6, container with IPv6", ask(wan, "tcp", v6, 8086), six},
		{"wan to host's link-local address", ask(wan, "tcp", o.HostLinkLocal(), 8086), proxied},
		{"lan to the host's wan address", ask(lan, "tcp", v4, 8080), outside},
		{"host to 127.0.0.1", ask(host, "tcp", loop4, 8080), proxied},
		{"host to ::1", ask(host, "tcp", loop6, 8080), proxied},
		{"host to its own address", ask(host, "tcp", v4, 8080), outside},
		{"container to host, same bridge", ask(o.plain.Client(), "tcp", v4, 8080), hairpin},
		{"container to its gateway, same bridge", ask(o.plain.Client(), "tcp", o.gateways[0], 8080), hairpin},
		{"container to host, other bridge", ask(o.other.Client(), "tcp", v4, 8080), hairpin},
		{"wan to host, published on loopback only", ask(wan, "tcp", v4, 8090), none},
	}
}

// past are the paths that lead straight to a container's own address.
func (o town) past(outside, between string) []path {
	wan := o.Client("wan")
	web, plain := o.web.Addr("bridge", 4), o.plain.Addr("bridge", 4)
	return []path{
		{"wan to container, published port", ask(wan, "tcp", web, 80), outside},
		{"wan to container, published on loopback only", ask(wan, "tcp", o.local.Addr("bridge", 4), 80), outside},
		{"wan to container, unpublished port", ask(wan, "tcp", plain, 80), outside},
		{"wan to container's IPv6 address", ask(wan, "tcp", o.six.Addr("six", 6), 80), outside},
		{"container to container, other bridge", ask(o.other.Client(), "tcp", web, 80), between},
		{"container to container, same bridge", ask(o.plain.Client(), "tcp", web, 80), direct},
	}
}

// TestForwardPolicy shows the host on which Docker itself turned forwarding
// on: then the policy of FORWARD stops what is routed past published ports.
func TestForwardPolicy(t *testing.T) {
	l := lab.New(t, lab.Options{NoForwarding: true})
	web := l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	plain := l.RunContainer(lab.Spec{Name: "plain"})
	wan := l.Client("wan")
	check(t, l, nil, []path{
		{"published", ask(wan, "tcp", l.HostAddr("eth0", 4), 8080), direct},
		{"published, straight to the container", ask(wan, "tcp", web.Addr("bridge", 4), 80), direct},
		{"unpublished", ask(wan, "tcp", plain.Addr("bridge", 4), 80), none},
	})
}

// TestLegacy shows that Docker uses the variant that the lab was asked for.
func TestLegacy(t *testing.T) {
	l := lab.New(t, lab.Options{Variant: "legacy"})
	l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	check(t, l, nil, []path{{"published", ask(l.Client("wan"), "tcp", l.HostAddr("eth0", 4), 8080), direct}})
	if out, _, _ := l.TryHost("iptables-legacy", "-S", "DOCKER-USER"); out == "" {
		t.Error("iptables-legacy has no DOCKER-USER")
	}
	if out, _, code := l.TryHost("iptables-nft", "-S", "DOCKER-USER"); code == 0 {
		t.Errorf("iptables-nft has a DOCKER-USER too:\n%s", out)
	}
}
