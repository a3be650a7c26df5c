package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"dockwall/test/lab"
)

// apiPort is where dockerd serves its API.
const apiPort = 4243

// TestInit lets agentctl init describe a host that publishes ports in every
// way, puts that in force, and asks every question again: what outside reached
// by published ports it reaches still, and nothing straight.
func TestInit(t *testing.T) {
	l := lab.New(t, lab.Options{Engine: "20.10", Args: []string{"-H", "unix:///var/run/docker.sock", "-H", fmt.Sprintf("tcp://0.0.0.0:%d", apiPort), "--tls=false"}})
	direct := publishAll(l)
	asks := publishedAsks(l)
	before := l.DialAll(asks)
	openBefore(t, l, asks, before, direct)
	api := lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: apiPort}
	if r := api.From.Dial(api.Proto, api.Addr, api.Port); !connects(r) {
		t.Fatalf("%s before: %s", api, r)
	}

	wantInit(t, l)
	if stdout, stderr, code := l.Agentctl("apply"); code != 0 {
		t.Fatalf("agentctl apply: exit code %d\n%s%s", code, stdout, stderr)
	}
	for i, now := range l.DialAll(asks) {
		if now.Server() != before[i].Server() || now.OK != before[i].OK {
			t.Errorf("%s: %s, and before: %s", asks[i], now, before[i])
		}
	}
	for i, r := range l.DialAll(direct) {
		if r.OK {
			t.Errorf("%s: %s, want it closed", direct[i], r)
		}
	}
	// init writes require_tls, and this API has no TLS.
	if now := api.From.Dial(api.Proto, api.Addr, api.Port); connects(now) {
		t.Errorf("%s, without TLS: %s", api, now)
	}
	l.Host("sed", "-i", "/require_tls/d", l.ConfigPath())
	if stdout, stderr, code := l.Agentctl("apply"); code != 0 {
		t.Fatalf("agentctl apply: exit code %d\n%s%s", code, stdout, stderr)
	}
	if now := api.From.Dial(api.Proto, api.Addr, api.Port); !connects(now) {
		t.Errorf("%s, which was connected before: %s", api, now)
	}
	api.From = l.Client("wan2")
	if now := api.From.Dial(api.Proto, api.Addr, api.Port); connects(now) {
		t.Errorf("%s, which was not connected before: %s", api, now)
	}
	if t.Failed() {
		config, _, _ := l.TryHost("cat", l.ConfigPath())
		t.Logf("%s\n%s", config, l.Rules(4))
	}
}

// connects reports whether the connection came about, though the engine, which
// waits for a request, never answers the responder's.
func connects(r lab.Result) bool { return r.OK || strings.HasPrefix(r.Error, "read ") }

// publishAll runs containers that publish ports in every way, and returns what
// asks for their own addresses.
func publishAll(l *lab.Lab) (direct []lab.Ask) {
	network := six(l, 1)
	shop := []string{"--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web"}
	specs := []lab.Spec{
		{Name: "both", Publish: []string{"8080:80", "8080:80/udp"}},
		{Name: "six", Network: network, Publish: []string{"8081:80", "8053:80/udp"}},
		{Name: "bound", Publish: []string{fmt.Sprintf("%s:8443:80", l.HostAddr("eth0", 4))}},
		{Name: "bound6", Network: network, Publish: []string{fmt.Sprintf("[%s]:8443:80", l.HostAddr("eth0", 6))}},
		{Name: "range", Publish: []string{"8100-8102:80-82"}, Listen: "tcp:80,tcp:81,tcp:82"},
		{Name: "shop-1", Publish: []string{"8201:80"}, Args: shop},
		{Name: "shop-2", Publish: []string{"8202:80"}, Args: shop},
		{Name: "own", Publish: []string{"127.0.0.1:8300:80"}},
		{Name: "none"},
	}
	for _, spec := range specs {
		c := l.RunContainer(spec)
		on := "bridge"
		if spec.Network != "" {
			on = spec.Network
		}
		for _, family := range []int{4, 6} {
			if a := c.Addr(on, family); a.IsValid() {
				direct = append(direct, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: a, Port: 80})
			}
		}
	}
	return direct
}

// publishedAsks asks for every port that somebody publishes, and some that
// nobody does, at every address of the host, from both sides.
func publishedAsks(l *lab.Lab) (asks []lab.Ask) {
	ports := map[string][]uint16{"tcp": {8080, 8081, 8099, 8100, 8101, 8102, 8103, 8201, 8202, 8300, 8443}, "udp": {8080, 8081, 8053}}
	for _, client := range []string{"wan", "wan2", "lan"} {
		for _, family := range []int{4, 6} {
			for _, nic := range []string{"eth0", "eth1"} {
				for _, proto := range []string{"tcp", "udp"} {
					for _, port := range ports[proto] {
						asks = append(asks, lab.Ask{From: l.Client(client), Proto: proto, Addr: l.HostAddr(nic, family), Port: port})
					}
				}
			}
		}
	}
	return asks
}

// openBefore holds the test to what it is about: the ports answer, and so do
// the containers' own addresses.
func openBefore(t *testing.T, l *lab.Lab, asks []lab.Ask, before []lab.Result, direct []lab.Ask) {
	t.Helper()
	servers := map[string]int{}
	for _, r := range before {
		servers[r.Server()]++
	}
	for _, name := range []string{"both", "six", "bound", "bound6", "range", "shop-1", "shop-2"} {
		if servers[name] == 0 {
			t.Fatalf("%s answers nobody before: %v", name, servers)
		}
	}
	for i, r := range l.DialAll(direct) {
		if !r.OK {
			t.Fatalf("%s before: %s, so that its being closed after proves nothing", direct[i], r)
		}
	}
	t.Logf("%d questions, answered by %v", len(asks), servers)
}

// wantInit runs agentctl init and looks at what it says.
func wantInit(t *testing.T, l *lab.Lab) {
	t.Helper()
	l.TryHost("rm", "-f", l.ConfigPath())
	stdout, stderr, code := l.Agentctl("init", "--json")
	var r struct {
		Path     string
		Policies []struct {
			Name       string
			Containers []string
		}
		DockerAPI []netip.Addr `json:"docker_api"`
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 || r.Path != l.ConfigPath() {
		t.Fatalf("agentctl init: exit code %d, %v\n%s%s", code, err, stdout, stderr)
	}
	var names []string
	for _, p := range r.Policies {
		names = append(names, p.Name+"="+strings.Join(p.Containers, "+"))
	}
	slices.Sort(names)
	want := "both=both bound6=bound6 bound=bound range=range shop-web=shop-1+shop-2 six=six"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("policies %s, want %s", got, want)
	}
	if client := l.ClientAddr("wan", 4); !slices.Equal(r.DockerAPI, []netip.Addr{client}) {
		t.Errorf("docker_api from %v, want %v, who was connected", r.DockerAPI, client)
	}
	if _, _, code := l.Agentctl("init"); code != 2 {
		t.Errorf("agentctl init over its own file: exit code %d, want 2", code)
	}
}
