package main

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"dockwall/test/lab"
)

// town is the throwaway host with its containers and the people around it.
type town struct {
	*lab.Lab
	t      testing.TB
	engine string

	web, db, cache *lab.Container
}

// The addresses of agent.hcl.example that the demo's people have. A client of
// the lab has one of its own; these it gets besides.
const (
	officeAddr4, officeAddr6 = "203.0.113.10", "2001:db8:10::10" // addresses.office, at eth1
	strayAddr4, strayAddr6   = "203.0.113.20", "2001:db8:10::20" // addresses.office too, but at eth0
	opsAddr4, opsAddr6       = "198.51.100.7", "2001:db8:10::7"  // addresses.ops, at eth1
	abuserAddr4              = "203.0.113.66"                    // addresses.blocklist, at eth1
	mirrorAddr4              = "192.0.2.80"                      // addresses.mirror, at eth0
)

// build makes the lab, with a dockerd that listens on TCP too. Saying --tls=false
// outright saves its 15 seconds of hesitation.
func build(t testing.TB, engine string) *town {
	t.Helper()
	args := []string{"--host=unix:///run/docker.sock", "--host=tcp://0.0.0.0:2375", "--tls=false"}
	w := &town{t: t, engine: engine}
	w.Lab = lab.New(t, lab.Options{Engine: engine, Args: args})
	w.settle()
	w.runContainers()
	return w
}

// settle gives the people their addresses, and the host the way back to them.
func (w *town) settle() {
	w.t.Helper()
	for client, addrs := range map[string][]string{
		"lan": {officeAddr4 + "/32", officeAddr6 + "/128", opsAddr4 + "/32", opsAddr6 + "/128", abuserAddr4 + "/32"},
		"wan": {strayAddr4 + "/32", strayAddr6 + "/128", mirrorAddr4 + "/32"},
	} {
		for _, addr := range addrs {
			w.inside(client, "ip", "addr", "add", addr, "dev", "eth0", "nodad")
		}
	}
	lan4, lan6 := w.ClientAddr("lan", 4).String(), w.ClientAddr("lan", 6).String()
	wan4, wan6 := w.ClientAddr("wan", 4).String(), w.ClientAddr("wan", 6).String()
	for addr, via := range map[string]string{
		officeAddr4: lan4, abuserAddr4: lan4, strayAddr4: wan4,
		officeAddr6: lan6, opsAddr6: lan6, strayAddr6: wan6,
	} {
		w.Host("ip", "route", "add", addr, "via", via)
	}
	w.Client("wan").Serve("mirror", "tcp:443")
	w.Client("wan2").Serve("elsewhere", "tcp:443")
	w.Client("host").Serve("host", "tcp:22")
}

// inside runs a command in a client's network namespace.
func (w *town) inside(client string, args ...string) {
	w.t.Helper()
	cmd := exec.Command("nsenter", append([]string{"--net=" + w.NamespacePath(client)}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("at %s, %s: %v\n%s", client, strings.Join(args, " "), err, out)
	}
}

// runContainers runs a shop: a web server, its database and its cache. The two
// latter are published as well, as it happens.
func (w *town) runContainers() {
	w.t.Helper()
	w.Docker("network", "create", "--ipv6", "--subnet", "fd00:f::/64", "shop_front")
	w.Docker("network", "create", "--ipv6", "--subnet", "fd00:b::/64", "shop_back")
	w.web = w.RunContainer(lab.Spec{Name: "shop-web-1", Network: "shop_front", Publish: []string{"80:80"}})
	w.Docker("network", "connect", "shop_back", "shop-web-1")
	w.db = w.RunContainer(lab.Spec{
		Name: "shop-db-1", Network: "shop_back", Publish: []string{"5432:5432"}, Listen: "tcp:5432",
		Args: []string{"--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=db"},
	})
	w.cache = w.RunContainer(lab.Spec{
		Name: "shop-cache-1", Network: "shop_back", Publish: []string{"6379:6379"}, Listen: "tcp:6379",
	})
}

// addr is an address that the demo names in its text, or none.
func addr(text string) netip.Addr {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return a
}
