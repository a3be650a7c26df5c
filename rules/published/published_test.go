package published

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
)

func addr(text string) netip.Addr {
	if text == "" {
		return netip.Addr{}
	}
	return netip.MustParseAddr(text)
}

func port(bound string, host, own uint16) netinfo.PublishedPort {
	return netinfo.PublishedPort{HostAddr: addr(bound), HostPort: host, HostPortEnd: host, Proto: netinfo.TCP, ContainerPort: own}
}

// host has two addresses on its NIC; the network "inner" binds ports to the
// second one unless they name another.
func host(containers ...netinfo.Container) *netinfo.Snapshot {
	s := &netinfo.Snapshot{
		Links: []netinfo.Link{
			{Index: 1, Name: "lo", Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
			{Index: 2, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24"), netip.MustParsePrefix("192.0.2.2/24"),
				netip.MustParsePrefix("2001:db8::1/64")}},
		},
		Networks: []netinfo.Network{
			{ID: "b", Name: "bridge", Driver: "bridge", Bridge: "docker0"},
			{ID: "i", Name: "inner", Driver: "bridge", Bridge: "br-inner", BindAddr: addr("192.0.2.2")},
			{ID: "o", Name: "back", Driver: "bridge", Bridge: "br-back", Internal: true},
		},
		Containers: containers,
	}
	return s
}

func running(name, network string, ports ...netinfo.PublishedPort) netinfo.Container {
	return netinfo.Container{ID: name, Name: name, State: "running", Ports: ports,
		Endpoints: []netinfo.Endpoint{{NetworkID: network, Addrs: []netip.Addr{addr("172.17.0.2")}}}}
}

func stopped(name string, ports ...netinfo.PublishedPort) netinfo.Container {
	return netinfo.Container{ID: name, Name: name, State: "exited", Ports: ports}
}

// names lists the containers of an answer: those that have the port, and after a
// slash those that may get it.
func names(a Answer) string {
	list := func(cs []Claim) string {
		var all []string
		for _, c := range cs {
			all = append(all, c.Container.Name)
		}
		return strings.Join(all, " ")
	}
	return list(a.Now) + "/" + list(a.Later)
}

func TestAt(t *testing.T) {
	any4, any6 := "0.0.0.0", "::"
	rangePort := netinfo.PublishedPort{HostPort: 8000, HostPortEnd: 8999, Proto: netinfo.TCP, ContainerPort: 80}
	for _, tt := range []struct {
		name string
		s    *netinfo.Snapshot
		want map[string]string // host address to names
	}{
		{"every address", host(running("web", "b", port("", 8080, 80))),
			map[string]string{"192.0.2.1": "web/", "192.0.2.2": "web/", "2001:db8::1": "web/", "127.0.0.1": "web/"}},
		{"one family", host(running("web", "b", port(any4, 8080, 80))), map[string]string{"192.0.2.1": "web/", "2001:db8::1": "/"}},
		{"the other family", host(running("web", "b", port(any6, 8080, 80))), map[string]string{"192.0.2.1": "/", "2001:db8::1": "web/"}},
		{"one address", host(running("web", "b", port("192.0.2.2", 8080, 80))), map[string]string{"192.0.2.1": "/", "192.0.2.2": "web/", "2001:db8::1": "/"}},
		{"loopback", host(running("web", "b", port("127.0.0.1", 8080, 80))), map[string]string{"192.0.2.1": "/", "127.0.0.1": "web/"}},
		{"the network's address", host(running("web", "i", port("", 8080, 80))), map[string]string{"192.0.2.1": "/", "192.0.2.2": "web/", "2001:db8::1": "/"}},
		{"its own before the network's", host(running("web", "i", port("192.0.2.1", 8080, 80))), map[string]string{"192.0.2.1": "web/", "192.0.2.2": "/"}},
		{"the same port on two addresses", host(running("one", "b", port("192.0.2.1", 8080, 80)), running("two", "b", port("192.0.2.2", 8080, 80))),
			map[string]string{"192.0.2.1": "one/", "192.0.2.2": "two/"}},
		{"one address before every address", host(running("all", "b", port(any4, 8080, 80)), running("one", "b", port("192.0.2.1", 8080, 80))),
			map[string]string{"192.0.2.1": "one/", "192.0.2.2": "all/"}},
		{"one that runs and one that does not", host(stopped("old", port("", 8080, 80)), running("new", "b", port(any4, 8080, 80))),
			map[string]string{"192.0.2.1": "new/old", "2001:db8::1": "/old"}},
		{"an exact port before candidates", host(stopped("range", rangePort), stopped("exact", port("", 8080, 80))), map[string]string{"192.0.2.1": "/exact"}},
		{"candidates are not taken yet", host(running("range", "b", rangePort)), map[string]string{"192.0.2.1": "/range"}},
		{"on an internal network alone", host(running("web", "o", port("", 8080, 80))), map[string]string{"192.0.2.1": "web/"}},
		{"another's network", host(netinfo.Container{Name: "side", SharesWith: "web", Ports: []netinfo.PublishedPort{port("", 8080, 80)}}), map[string]string{"192.0.2.1": "/"}},
		{"the host's network", host(netinfo.Container{Name: "own", HostNetwork: true, Ports: []netinfo.PublishedPort{port("", 8080, 80)}}), map[string]string{"192.0.2.1": "/"}},
	} {
		x := New(tt.s)
		for host, want := range tt.want {
			at := netip.AddrPortFrom(addr(host), 8080)
			if got := names(At(tt.s, netinfo.TCP, at)); got != want {
				t.Errorf("%s: At(%s) = %q, want %q", tt.name, host, got, want)
			}
			if got := names(x.At(netinfo.TCP, at)); got != want {
				t.Errorf("%s: Index.At(%s) = %q, want %q", tt.name, host, got, want)
			}
			if got := names(At(tt.s, netinfo.UDP, at)); got != "/" {
				t.Errorf("%s: udp at %s = %q, want none", tt.name, host, got)
			}
		}
	}
}

// A service of the host on the port keeps a stopped container from getting it,
// on the addresses that Docker could not bind.
func TestHostService(t *testing.T) {
	for _, tt := range []struct {
		bound, listener, dialled, want string
		dockerd                        bool
	}{
		{"", "0.0.0.0", "192.0.2.1", "/", false},
		{"", "0.0.0.0", "2001:db8::1", "/web", false},
		{"", "::", "192.0.2.1", "/", false},
		{"", "192.0.2.1", "192.0.2.2", "/", false}, // Docker cannot bind 0.0.0.0 then
		{"192.0.2.2", "192.0.2.1", "192.0.2.2", "/web", false},
		{"192.0.2.1", "192.0.2.1", "192.0.2.1", "/", false},
		{"", "0.0.0.0", "192.0.2.1", "/web", true}, // dockerd's own sockets are no service of the host
	} {
		s := host(stopped("web", port(tt.bound, 53, 53)))
		s.Listeners = []netinfo.Listener{{Addr: addr(tt.listener), Proto: netinfo.TCP, Port: 53, Dockerd: tt.dockerd}}
		if got := names(At(s, netinfo.TCP, netip.AddrPortFrom(addr(tt.dialled), 53))); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt, got, tt.want)
		}
	}
}

func TestProxied(t *testing.T) {
	s := host()
	s.Proxies = []netinfo.PublishedPort{port("0.0.0.0", 1, 80), port("192.0.2.1", 2, 80),
		{HostPort: 3, HostPortEnd: 9, Proto: netinfo.TCP}} // candidates only
	x := New(s)
	for text, want := range map[string]bool{"192.0.2.1:1": true, "[::1]:1": false, "192.0.2.1:2": true, "192.0.2.2:2": false, "192.0.2.1:3": false} {
		at := netip.MustParseAddrPort(text)
		if got := x.At(netinfo.TCP, at).Served(); got != want {
			t.Errorf("%s: served %v, want %v", text, got, want)
		}
		if got := At(s, netinfo.TCP, at).Served(); got != want {
			t.Errorf("At %s: served %v, want %v", text, got, want)
		}
	}
}

func TestHostNetwork(t *testing.T) {
	s := host(netinfo.Container{Name: "gone", State: "exited", HostNetwork: true}, netinfo.Container{Name: "vrrp", State: "running", HostNetwork: true},
		stopped("later", port("", 8080, 80)))
	s.Listeners = []netinfo.Listener{{Addr: addr("192.0.2.1"), Proto: netinfo.TCP, Port: 8123, Container: true},
		{Addr: addr("::"), Proto: netinfo.TCP, Port: 8124, Container: true}, {Addr: addr("::"), Proto: netinfo.TCP, Port: 22}}
	for text, want := range map[string]string{"192.0.2.1:8123": "vrrp", "192.0.2.2:8123": "", "192.0.2.2:8124": "vrrp", "192.0.2.1:22": "", "192.0.2.1:8080": "later"} {
		var got []string
		for _, c := range At(s, netinfo.TCP, netip.MustParseAddrPort(text)).Containers() {
			got = append(got, c.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestContainersOnce(t *testing.T) {
	s := host(running("web", "b", port("192.0.2.1", 80, 80), port("192.0.2.1", 80, 8080)))
	if got := At(s, netinfo.TCP, netip.MustParseAddrPort("192.0.2.1:80")).Containers(); len(got) != 1 {
		t.Errorf("%d containers, want one", len(got))
	}
}

func TestAddrs(t *testing.T) {
	s := host(running("dns", "b", port("192.0.2.2", 53, 53)), running("all", "b", port("0.0.0.0", 80, 80)), stopped("old", port("", 90, 90)))
	x := New(s)
	for p, want := range map[uint16][]string{53: {"192.0.2.2"}, 80: {"192.0.2.1", "192.0.2.2"}, 90: nil} {
		var got []string
		for _, a := range x.Addrs(netinfo.TCP, p) {
			got = append(got, a.String())
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("port %d (-want +got):\n%s", p, d)
		}
	}
}
