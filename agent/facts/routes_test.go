package facts

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// mainTable is RT_TABLE_MAIN.
const mainTable = 254

// fib is a fake of the kernel's routing tables.
type fib struct {
	routes       []hostnet.Route
	asked, dumps int
	err          error
}

func (f *fib) by(link int) ([]hostnet.Route, error) {
	f.asked++
	var found []hostnet.Route
	for _, r := range f.routes {
		if r.Link == link {
			found = append(found, r)
		}
	}
	return found, f.err
}

func (f *fib) all() ([]hostnet.Route, error) {
	f.dumps++
	return f.routes, f.err
}

// add adds "PREFIX [via GATEWAY] dev LINK [table N]", where the links are those of
// routed, and returns the route.
func (f *fib) add(t *testing.T, text string) hostnet.Route {
	t.Helper()
	w := strings.Fields(text)
	r := hostnet.Route{Prefix: netip.MustParsePrefix(w[0]), Table: mainTable}
	for i := 1; i < len(w); i += 2 {
		switch w[i] {
		case "via":
			r.Gateway = netip.MustParseAddr(w[i+1])
		case "dev":
			s := routed()
			at := slices.IndexFunc(s.Links, func(l netinfo.Link) bool { return l.Name == w[i+1] })
			r.Link = s.Links[at].Index
		case "table":
			r.Table = 100
		}
	}
	f.routes = append(f.routes, r)
	return r
}

// routed is a host with two Docker networks, a NIC and a tunnel.
func routed() netinfo.Snapshot {
	return netinfo.Snapshot{
		Links: []netinfo.Link{
			{Index: 3, Name: "br-a", Kind: "bridge", Up: true}, {Index: 4, Name: "br-b", Kind: "bridge", Up: true},
			{Index: 2, Name: "eth0", Up: true}, {Index: 7, Name: "wg0", Kind: "wireguard", Up: true},
		},
		Networks: []netinfo.Network{
			{ID: "a", Bridge: "br-a", Subnets: []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16"), netip.MustParsePrefix("fd00:18::/64")}},
			{ID: "b", Bridge: "br-b", Subnets: []netip.Prefix{netip.MustParsePrefix("172.19.0.0/16")}},
			{ID: "m", Driver: "macvlan"},
		},
	}
}

func (f *fib) cache() *routes {
	return &routes{by: f.by, all: f.all, bridges: map[int]bridgeRoutes{}}
}

// read returns the snapshot's routes as text.
func read(t *testing.T, r *routes, s netinfo.Snapshot) (behind, others []string) {
	t.Helper()
	if err := r.into(&s); err != nil {
		t.Fatal(err)
	}
	s.Normalize()
	for _, r := range s.Routes {
		text := r.Prefix.String() + " " + r.Link
		if r.Gateway.IsValid() {
			text += " " + r.Gateway.String()
		}
		behind = append(behind, text)
	}
	for _, r := range s.OtherRoutes {
		others = append(others, r.Prefix.String()+" "+r.Link)
	}
	return behind, others
}

func TestRoutesBehindContainers(t *testing.T) {
	for _, c := range []struct {
		name   string
		routes string
		behind []string
		others []string
	}{
		{"a VPN's clients", "default4 dev eth0, 10.8.0.0/24 via 172.18.0.9 dev br-a, fd08::/64 via fd00:18::9 dev br-a",
			[]string{"10.8.0.0/24 br-a 172.18.0.9", "fd08::/64 br-a fd00:18::9"}, nil},
		{"the network's own subnets", "172.18.0.0/16 dev br-a, 172.18.4.0/24 via 172.18.0.9 dev br-a, fe80::/64 dev br-a", nil, nil},
		{"another network's subnet", "172.19.0.0/16 dev br-b, 172.16.0.0/12 via 172.18.0.9 dev br-a", []string{"172.16.0.0/12 br-a 172.18.0.9"}, nil},
		{"the Internet", "default4 dev eth0, 0.0.0.0/1 via 172.18.0.9 dev br-a, 128.0.0.0/1 via 172.18.0.9 dev br-a, 8.0.0.0/7 via 172.18.0.9 dev br-a", nil, nil},
		{"the Internet in another table, and a network there", "default4 via 172.18.0.9 dev br-a table 100, 203.0.113.0/24 via 172.18.0.9 dev br-a, 10.8.0.0/24 via 172.18.0.9 dev br-a, 198.51.100.0/24 via 172.18.0.8 dev br-a",
			[]string{"10.8.0.0/24 br-a 172.18.0.9", "198.51.100.0/24 br-a 172.18.0.8"}, nil},
		{"the Internet over IPv6", "default6 via fd00:18::9 dev br-a, 2000::/3 via fd00:18::9 dev br-a, fc00::/7 via fd00:18::9 dev br-a", []string{"fc00::/7 br-a fd00:18::9"}, nil},
		{"a tunnel as backup", "default4 dev eth0, 10.8.0.0/24 via 172.18.0.9 dev br-a, 10.8.0.0/24 dev wg0", []string{"10.8.0.0/24 br-a 172.18.0.9"}, []string{"10.8.0.0/24 wg0"}},
		{"a larger route", "10.8.0.0/24 via 172.18.0.9 dev br-a, 10.0.0.0/8 dev eth0", []string{"10.8.0.0/24 br-a 172.18.0.9"}, []string{"10.8.0.0/24 eth0"}},
		{"parts of it", "10.0.0.0/8 via 172.18.0.9 dev br-a, 10.8.0.0/25 dev wg0, 10.8.0.128/25 dev wg0, 10.1.0.0/16 dev eth0, 10.1.2.0/24 dev eth0",
			[]string{"10.0.0.0/8 br-a 172.18.0.9"}, []string{"10.1.0.0/16 eth0", "10.8.0.0/24 wg0"}},
		{"by two bridges", "10.8.0.0/24 via 172.18.0.9 dev br-a, 10.8.0.0/24 dev br-b", []string{"10.8.0.0/24 br-a 172.18.0.9", "10.8.0.0/24 br-b"}, nil},
		{"in a table for some packets", "default4 dev eth0, 10.8.0.0/24 via 172.18.0.9 dev br-a table 100", []string{"10.8.0.0/24 br-a 172.18.0.9"}, []string{"10.8.0.0/24 eth0"}},
		{"in both tables", "default4 dev eth0, 10.8.0.0/24 via 172.18.0.9 dev br-a table 100, 10.8.0.0/24 via 172.18.0.9 dev br-a", []string{"10.8.0.0/24 br-a 172.18.0.9"}, nil},
	} {
		f := &fib{}
		text := strings.NewReplacer("default4", "0.0.0.0/0", "default6", "::/0").Replace(c.routes)
		for _, r := range strings.Split(text, ", ") {
			f.add(t, r)
		}
		behind, others := read(t, f.cache(), routed())
		if diff := cmp.Diff([][]string{c.behind, c.others}, [][]string{behind, others}, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: behind containers, and by other links (-want +got):\n%s", c.name, diff)
		}
	}
}

// TestRoutesAreReadOnce: a host without routes behind containers pays for its
// other routes nothing, whatever happens to them.
func TestRoutesAreReadOnce(t *testing.T) {
	f := &fib{}
	r := f.cache()
	bgp := f.add(t, "203.0.113.0/24 dev eth0")
	for range 3 {
		read(t, r, routed())
		if r.note(bgp) {
			t.Error("a route by the NIC matters though nothing lies behind a container")
		}
	}
	if f.asked != 2 || f.dumps != 0 {
		t.Errorf("asked %d times for one bridge's routes and %d times for every route; want 2 and 0", f.asked, f.dumps)
	}
	if !r.note(f.add(t, "10.8.0.0/24 via 172.18.0.9 dev br-a")) {
		t.Error("a route by a bridge does not matter")
	}
	if behind, _ := read(t, r, routed()); len(behind) != 1 || f.asked != 3 || f.dumps != 1 {
		t.Errorf("%v; asked %d times for one bridge's routes and %d times for every route; want 3 and 1", behind, f.asked, f.dumps)
	}
	if r.note(bgp) || !r.note(f.add(t, "10.8.0.0/16 dev wg0")) {
		t.Error("of other links' routes those to addresses behind containers matter, and only they")
	}
	if _, others := read(t, r, routed()); len(others) != 1 || f.asked != 3 || f.dumps != 2 {
		t.Errorf("%v; asked %d times for one bridge's routes and %d times for every route; want 3 and 2", others, f.asked, f.dumps)
	}
}

// TestRoutesGoWithTheirLink: the kernel drops IPv4 routes silently when their link
// goes down.
func TestRoutesGoWithTheirLink(t *testing.T) {
	f := &fib{}
	r := f.cache()
	f.add(t, "10.8.0.0/24 via 172.18.0.9 dev br-a")
	tunnel := f.add(t, "10.8.0.0/24 dev wg0")
	if behind, others := read(t, r, routed()); len(behind) != 1 || len(others) != 1 {
		t.Fatalf("routes %v, others %v", behind, others)
	}
	f.routes = slices.DeleteFunc(f.routes, func(r hostnet.Route) bool { return r == tunnel })
	s := routed()
	s.Links[3].Up = false
	if behind, others := read(t, r, s); len(behind) != 1 || len(others) != 0 {
		t.Errorf("the tunnel is down: routes %v, others %v", behind, others)
	}
	f.routes = nil
	s.Links[0].Up = false
	if behind, _ := read(t, r, s); len(behind) != 0 {
		t.Errorf("the bridge is down: routes %v", behind)
	}
	f.add(t, "10.8.0.0/24 via 172.18.0.9 dev br-a")
	r.forget()
	s.Links = s.Links[1:]
	if behind, _ := read(t, r, s); len(behind) != 0 {
		t.Errorf("the bridge is gone: routes %v", behind)
	}
}

func TestRoutesAreReadAgainAfterAnError(t *testing.T) {
	f := &fib{err: errors.New("interrupted")}
	r := f.cache()
	f.add(t, "10.8.0.0/24 via 172.18.0.9 dev br-a")
	s := routed()
	if err := r.into(&s); !errors.Is(err, f.err) {
		t.Errorf("the error is %v", err)
	}
	f.err = nil
	if behind, _ := read(t, r, routed()); len(behind) != 1 {
		t.Errorf("routes %v", behind)
	}
}
