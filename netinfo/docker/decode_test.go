package docker

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"dockwall/netinfo"
)

func TestParsePort(t *testing.T) {
	tests := []struct {
		port, ip, host string
		want           []netinfo.PublishedPort // nil: an error
	}{
		{"80/tcp", "", "8080", one("", 8080, 8080, netinfo.TCP, 80)},
		{"80", "", "8080", one("", 8080, 8080, netinfo.TCP, 80)},
		{"53/UDP", "0.0.0.0", "", one("0.0.0.0", 0, 0, netinfo.UDP, 53)},
		{"53/udp", "", "0", one("", 0, 0, netinfo.UDP, 53)},
		{"9/sctp", "::", "9", one("::", 9, 9, netinfo.SCTP, 9)},
		{"80/tcp", "fe80::1%eth0", "8080", one("fe80::1", 8080, 8080, netinfo.TCP, 80)},
		{"80/tcp", "[2001:db8::1]", "8000-8010", one("2001:db8::1", 8000, 8010, netinfo.TCP, 80)},
		{"80/tcp", "2001:db8::1", "65535", one("2001:db8::1", 65535, 65535, netinfo.TCP, 80)},
		{"80-81/tcp", "", "90-91", append(one("", 90, 90, netinfo.TCP, 80), one("", 91, 91, netinfo.TCP, 81)...)},
		{"80-81/tcp", "", "", append(one("", 0, 0, netinfo.TCP, 80), one("", 0, 0, netinfo.TCP, 81)...)},
		{"65534-65535/tcp", "", "1-2", append(one("", 1, 1, netinfo.TCP, 65534), one("", 2, 2, netinfo.TCP, 65535)...)},
		{"", "", "80", nil}, {"0/tcp", "", "80", nil}, {"65536/tcp", "", "", nil}, {"80/icmp6", "", "", nil},
		{"80/tcp", "localhost", "80", nil}, {"80/tcp", "", "-1", nil}, {"80/tcp", "", "10-9", nil}, {"80/tcp", "", "70000", nil},
	}
	for _, tt := range tests {
		got, err := parsePort(tt.port, tt.ip, tt.host)
		if (err != nil) != (tt.want == nil) {
			t.Errorf("%q %q %q: error %v", tt.port, tt.ip, tt.host, err)
		}
		if diff := cmp.Diff(tt.want, got, loose); err == nil && diff != "" {
			t.Errorf("%q %q %q (-want +got)\n%s", tt.port, tt.ip, tt.host, diff)
		}
	}
}

func one(addr string, first, last uint16, proto netinfo.Protocol, port uint16) []netinfo.PublishedPort {
	p := netinfo.PublishedPort{HostPort: first, HostPortEnd: last, Proto: proto, ContainerPort: port}
	if addr != "" {
		p.HostAddr = netip.MustParseAddr(addr)
	}
	return []netinfo.PublishedPort{p}
}

func TestParsePortNeverPanics(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringMatching(`[0-9/a-z:.\[\]-]{0,12}`)
		ps, err := parsePort(s.Draw(rt, "port"), s.Draw(rt, "ip"), s.Draw(rt, "host"))
		for _, p := range ps {
			if err != nil || p.ContainerPort == 0 || p.HostPort > p.HostPortEnd {
				rt.Fatalf("%+v, %v", p, err)
			}
		}
	})
}

// A running container's ports are those given to it where there are any.
func TestInForce(t *testing.T) {
	asked := append(one("", 8000, 8010, netinfo.TCP, 80), one("", 53, 53, netinfo.UDP, 53)...)
	given := append(one("0.0.0.0", 8003, 8003, netinfo.TCP, 80), one("::", 8003, 8003, netinfo.TCP, 80)...)
	want := append(given[:2:2], asked[1])
	if diff := cmp.Diff(want, inForce(asked, given), loose); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestDecodeContainer(t *testing.T) {
	const routed = `{"Id":"i","Name":"/web","State":{"Status":"running","Running":true,"Pid":7},
		"Config":{"Image":"nginx","Labels":{"a":"b"}},
		"HostConfig":{"NetworkMode":"shop","PortBindings":{"80/tcp":[{"HostIp":"","HostPort":""}],"x/tcp":[{}]}},
		"NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"0.0.0.0","HostPort":""},{"HostIp":"::","HostPort":""}],"81/tcp":null},
			"Networks":{"shop":{"EndpointID":"e2"},"back":{"EndpointID":"e1"},"nil":null}}}`
	var c container.InspectResponse
	if err := json.Unmarshal([]byte(routed), &c); err != nil {
		t.Fatal(err)
	}
	var d decoder
	s, err := d.sighting(&c)
	if err != nil || len(d.problems) != 1 {
		t.Fatalf("error %v, problems %v; want one, about x/tcp", err, d.problems)
	}
	if s.name != "web" || s.pid != 7 || s.run != "e1 e2" || s.netMode != "shop" || s.labels["a"] != "b" {
		t.Errorf("got %+v", s)
	}
	want := append(one("0.0.0.0", 0, 0, netinfo.TCP, 80), one("::", 0, 0, netinfo.TCP, 80)...)
	if diff := cmp.Diff(want, s.given, loose); diff != "" {
		t.Errorf("given in routed mode (-want +got)\n%s", diff)
	}
	for _, bad := range []string{`{}`, `null`, `{"Id":"i"}`} {
		var c container.InspectResponse
		if err := json.Unmarshal([]byte(bad), &c); err != nil {
			t.Fatal(err)
		}
		if _, err := d.sighting(&c); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// A short answer with ranges in it is not taken for more ports than there are,
// and what is beyond is told.
func TestManyPortsAreBounded(t *testing.T) {
	answer := `{"Id":"i","Name":"/web","State":{"Status":"running","Running":true},"HostConfig":{"PortBindings":{"1-65535/tcp":[` +
		strings.Repeat(`{"HostPort":"1-65535"},`, 99) + `{}]}},"NetworkSettings":{"Ports":{"1-65535/tcp":[{"HostIp":"0.0.0.0","HostPort":"1-65535"}]}}}`
	var c container.InspectResponse
	if err := json.Unmarshal([]byte(answer), &c); err != nil {
		t.Fatal(err)
	}
	var d decoder
	s, err := d.sighting(&c)
	if err != nil || len(s.asked) > maxPorts || len(s.asked) < 65535 || len(d.problems) != 100-len(s.asked)/65535 {
		t.Fatalf("%d ports, %d problems, %v", len(s.asked), len(d.problems), err)
	}
	// For each port that was asked for, every one given is not looked through.
	if got := len(inForce(s.asked, s.given)); got != 65535+len(s.asked) {
		t.Errorf("%d ports in force, want those given, and those asked for in the other family", got)
	}
}

func TestDecodeListing(t *testing.T) {
	var d decoder
	l, ok := d.listing(&container.Summary{ID: "i", Names: []string{"/other/alias", "/web"}})
	if !ok || l.name != "web" {
		t.Errorf("linked container: %+v", l)
	}
}

func TestDecodeNetwork(t *testing.T) {
	id := id64("n")
	n := network.Inspect{ID: id, Name: "shop", Driver: "bridge", Scope: "local", Options: map[string]string{
		optMode4: "routed", optMode6: "odd", optBinding: "192.0.2.1"}}
	n.IPAM.Config = []network.IPAMConfig{{Subnet: "10.0.0.0/24", Gateway: "10.0.0.1"}, {Subnet: "fd00::/64", Gateway: "fd00::1/64"}, {Subnet: "nonsense"}}
	web := id64("web")
	n.Containers = map[string]network.EndpointResource{
		web:            {Name: "web", EndpointID: "e", IPv4Address: "10.0.0.2/24", IPv6Address: "fd00::2/64", MacAddress: "02:42:0a:00:00:02"},
		"ep-12":        {Name: "leaving", EndpointID: "12", IPv4Address: "10.0.0.3/24"},
		"ep-13":        {Name: "gateway_0123456789ab", EndpointID: "13", IPv4Address: "10.0.0.4/24"},
		"ingress-sbox": {Name: "gateway_ingress-sbox", EndpointID: "14", IPv4Address: "10.0.0.5/24"},
		id64("bad"):    {Name: "bad", EndpointID: "15", IPv4Address: "10.0.0.300/24"},
		id64("none"):   {Name: "none", EndpointID: "16"},
	}
	var d decoder
	v := d.view(&n)
	want := netinfo.Network{ID: id, Name: "shop", Driver: "bridge", Scope: "local", Bridge: "br-" + id[:12],
		Mode4: netinfo.GatewayRouted, Mode6: netinfo.GatewayNAT, BindAddr: netip.MustParseAddr("192.0.2.1"), Ingress: netip.MustParseAddr("10.0.0.5"),
		Subnets:  []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/64")},
		Gateways: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")}}
	if diff := cmp.Diff(want, v.facts, loose); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(d.problems) != 3 {
		t.Errorf("problems: %v; want the mode, the subnet and the address", d.problems)
	}
	slices.SortFunc(v.joining, netip.Addr.Compare)
	if !slices.Equal(v.joining, []netip.Addr{netip.MustParseAddr("10.0.0.3")}) {
		t.Errorf("%v are joining or leaving, want 10.0.0.3", v.joining)
	}
	holders := map[string]int{}
	for _, c := range v.endpoints {
		holders[c.holder] = len(c.ep.Addrs)
	}
	if diff := cmp.Diff(map[string]int{web: 2, "gateway_0123456789ab": 1}, holders); diff != "" {
		t.Errorf("endpoints (-want +got)\n%s", diff)
	}
}

// The default bridge has host_binding_ipv4 = "0.0.0.0", and its ports are bound
// in both families all the same.
func TestUnspecifiedBindingIsNone(t *testing.T) {
	var d decoder
	for _, s := range []string{"0.0.0.0", "::", ""} {
		n := network.Inspect{ID: id64("n"), Name: "bridge", Driver: "bridge", Options: map[string]string{optBinding: s}}
		if a := d.view(&n).facts.BindAddr; a.IsValid() {
			t.Errorf("host_binding_ipv4 = %q is taken for the address %v", s, a)
		}
	}
}
