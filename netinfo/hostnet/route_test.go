package hostnet

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/test/nstest"
)

// routeHost makes two links with an address each.
func routeHost(t *testing.T) {
	t.Helper()
	nstest.IP(t, "link add br0 type bridge", "link add wan0 type bridge", "link set br0 up", "link set wan0 up",
		"addr add 172.18.0.1/16 dev br0", "addr add fd00:18::1/64 dev br0 nodad", "addr add 192.0.2.7/24 dev wan0", "addr add 2001:db8::7/64 dev wan0 nodad")
}

// route is what the kernel is expected to say of a route by br0.
func route(link int, prefix, gateway string, table int) Route {
	r := Route{Prefix: netip.MustParsePrefix(prefix), Link: link, Table: table}
	if gateway != "" {
		r.Gateway = netip.MustParseAddr(gateway)
	}
	return r
}

// sortRoutes sorts by prefix and drops those that the kernel itself makes for a
// link's address.
func sortRoutes(all []Route) []Route {
	all = slices.DeleteFunc(slices.Clone(all), func(r Route) bool { return r.Prefix.Addr().IsLinkLocalUnicast() })
	slices.SortFunc(all, func(a, b Route) int { return a.Prefix.Compare(b.Prefix) })
	return all
}

func TestRoutesBy(t *testing.T) {
	nstest.New(t)
	routeHost(t)
	nstest.IP(t, "route add 10.8.0.0/24 via 172.18.0.9 dev br0", "route add 10.9.0.0/24 dev br0", "-6 route add fd08::/64 via fd00:18::9 dev br0",
		"route add 10.10.0.0/24 via 172.18.0.9 dev br0 table 1000", "route add blackhole 10.11.0.0/24",
		"route add 10.12.0.0/24 nexthop via 172.18.0.9 dev br0 nexthop via 192.0.2.1 dev wan0",
		"-6 route add fd12::/64 nexthop via fd00:18::9 dev br0 nexthop via 2001:db8::1 dev wan0",
		"route add 10.13.0.0/24 via inet6 fd00:18::9 dev br0",
		"route add 10.8.0.0/16 via 192.0.2.1 dev wan0", "route add default via 192.0.2.1 dev wan0")
	br, wan := find(t, "br0").Index, find(t, "wan0").Index
	got, err := RoutesBy(br)
	nstest.Must(t, err)
	want := []Route{
		route(br, "10.8.0.0/24", "172.18.0.9", 254), route(br, "10.9.0.0/24", "", 254), route(br, "10.10.0.0/24", "172.18.0.9", 1000),
		route(br, "10.12.0.0/24", "172.18.0.9", 254), route(br, "10.13.0.0/24", "fd00:18::9", 254), route(br, "172.18.0.0/16", "", 254),
		route(br, "fd00:18::/64", "", 254), route(br, "fd08::/64", "fd00:18::9", 254), route(br, "fd12::/64", "fd00:18::9", 254),
	}
	same := cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})
	if diff := cmp.Diff(want, sortRoutes(got), same); diff != "" {
		t.Errorf("routes by br0 (-want +got):\n%s", diff)
	}
	if got, err = RoutesBy(1 << 20); err != nil || len(got) > 0 {
		t.Errorf("a link that is not there has the routes %v, error %v", got, err)
	}
	all, err := AllRoutes()
	nstest.Must(t, err)
	for _, r := range append(want, route(wan, "0.0.0.0/0", "192.0.2.1", 254), route(wan, "10.8.0.0/16", "192.0.2.1", 254), route(wan, "fd12::/64", "2001:db8::1", 254)) {
		if !slices.Contains(all, r) {
			t.Errorf("of all routes %+v is missing", r)
		}
	}
	if slices.ContainsFunc(all, func(r Route) bool { return r.Prefix.Addr().String() == "10.11.0.0" || r.Prefix.Addr().IsLoopback() }) {
		t.Errorf("there are routes that are not unicast: %v", all)
	}
}

func TestWatchRoutes(t *testing.T) {
	ns := nstest.New(t)
	routeHost(t)
	br, wan := find(t, "br0").Index, find(t, "wan0").Index
	opened, changes := make(chan struct{}, 1), make(chan Route, 100)
	goIn(t, ns, func(ctx context.Context) {
		WatchRoutes(ctx, func() { opened <- struct{}{} }, func(r Route) { changes <- r }, func(err error) { t.Error(err) })
	})
	receive(t, opened, "the subscription")
	for _, c := range []struct {
		do   string
		want []Route
	}{
		{"route add 10.8.0.0/24 via 172.18.0.9 dev br0", []Route{route(br, "10.8.0.0/24", "172.18.0.9", 254)}},
		{"route replace 10.8.0.0/24 via 192.0.2.1 dev wan0", []Route{route(wan, "10.8.0.0/24", "192.0.2.1", 254)}},
		{"route del 10.8.0.0/24", []Route{route(wan, "10.8.0.0/24", "192.0.2.1", 254)}},
		{"-6 route add fd08::/64 via fd00:18::9 dev br0 table 7", []Route{route(br, "fd08::/64", "fd00:18::9", 7)}},
		{"route add 10.12.0.0/24 nexthop via 172.18.0.9 dev br0 nexthop via 192.0.2.1 dev wan0",
			[]Route{route(br, "10.12.0.0/24", "172.18.0.9", 254), route(wan, "10.12.0.0/24", "192.0.2.1", 254)}},
	} {
		nstest.IP(t, c.do)
		for _, want := range c.want {
			for got := receive(t, changes, "the notice of "+c.do); got != want; got = receive(t, changes, "the notice of "+c.do) {
				if !got.Prefix.Addr().Is6() || c.want[0].Prefix == got.Prefix {
					t.Fatalf("%s: told %+v, want %+v", c.do, got, want)
				}
			}
		}
	}
}
