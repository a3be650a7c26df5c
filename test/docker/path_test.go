package docker_test

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// How a packet came to the container, as the container sees it.
const (
	direct  = "direct"  // forwarded: the peer is the client
	proxied = "proxied" // by docker-proxy: the peer is the bridge's gateway
	none    = "no answer"
)

// path is one way to try to reach a container.
type path struct {
	name string
	ask  lab.Ask
	want string
}

// how sorts a result into direct, proxied or none. What Docker masquerades
// also comes from a gateway, so the path's own client decides: a peer that is
// one of the client's addresses is direct.
func how(r lab.Result, gateways []netip.Addr) string {
	if !r.OK {
		return none
	}
	for _, gateway := range gateways {
		if r.Peer() == gateway {
			return proxied
		}
	}
	return direct
}

// check dials every path and compares what came of it.
func check(t *testing.T, l *lab.Lab, gateways []netip.Addr, paths []path) {
	t.Helper()
	asks := make([]lab.Ask, len(paths))
	for i, p := range paths {
		asks[i] = p.ask
	}
	want, got := map[string]string{}, map[string]string{}
	for i, r := range l.DialAll(asks) {
		want[paths[i].name] = paths[i].want
		got[paths[i].name] = how(r, gateways)
		t.Logf("%-45s %-55s %s", paths[i].name, asks[i], r)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths to containers (-want +got):\n%s", diff)
	}
}

// town is a lab with the containers that the paths lead to.
type town struct {
	*lab.Lab
	web, local, plain, six, other *lab.Container
	gateways                      []netip.Addr
}

// build makes the containers: web is published, local is published on the
// loopback address, plain is not published, six has IPv6 too, and other is on
// a network of its own.
func build(t *testing.T, options lab.Options) town {
	t.Helper()
	l := lab.New(t, options)
	l.Docker("network", "create", "--subnet", "172.30.1.0/24", "other")
	l.Docker("network", "create", "--ipv6", "--subnet", "172.30.6.0/24", "--subnet", "2001:db8:6::/64", "six")
	return town{
		Lab:   l,
		web:   l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80/tcp", "8080:80/udp"}}),
		local: l.RunContainer(lab.Spec{Name: "local", Publish: []string{"127.0.0.1:8090:80"}}),
		plain: l.RunContainer(lab.Spec{Name: "plain"}),
		six:   l.RunContainer(lab.Spec{Name: "six", Network: "six", Publish: []string{"8086:80"}}),
		other: l.RunContainer(lab.Spec{Name: "other", Network: "other"}),
		gateways: []netip.Addr{
			netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("172.30.1.1"),
			netip.MustParseAddr("172.30.6.1"), netip.MustParseAddr("2001:db8:6::1"),
		},
	}
}

// major is the first number of an engine's name.
func major(t *testing.T, engine string) int {
	t.Helper()
	first, _, _ := strings.Cut(engine, ".")
	n, err := strconv.Atoi(first)
	if err != nil {
		t.Fatalf("engine %q: %v", engine, err)
	}
	return n
}

// ask is short for a lab.Ask.
func ask(from *lab.Client, proto string, addr netip.Addr, port uint16) lab.Ask {
	return lab.Ask{From: from, Proto: proto, Addr: addr, Port: port}
}
