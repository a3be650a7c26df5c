package docker

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/netinfo"
)

// An engine that has bound one family so far must not make the other look as
// if it were not published: docker-proxy was reachable over IPv6 for some
// milliseconds of a start on 28.5.
func TestOneFamilyGivenKeepsTheOther(t *testing.T) {
	p := func(addr string, host uint16) netinfo.PublishedPort {
		q := netinfo.PublishedPort{HostPort: host, HostPortEnd: host, Proto: netinfo.TCP, ContainerPort: 80}
		if addr != "" {
			q.HostAddr = netip.MustParseAddr(addr)
		}
		return q
	}
	for name, tc := range map[string]struct{ asked, given, want []netinfo.PublishedPort }{
		"nothing given":      {[]netinfo.PublishedPort{p("", 8080)}, nil, []netinfo.PublishedPort{p("", 8080)}},
		"only IPv4 so far":   {[]netinfo.PublishedPort{p("", 8080)}, []netinfo.PublishedPort{p("0.0.0.0", 8080)}, []netinfo.PublishedPort{p("0.0.0.0", 8080), p("::", 8080)}},
		"only IPv6 so far":   {[]netinfo.PublishedPort{p("", 0)}, []netinfo.PublishedPort{p("::", 32768)}, []netinfo.PublishedPort{p("::", 32768), p("0.0.0.0", 32768)}},
		"both":               {[]netinfo.PublishedPort{p("", 8080)}, []netinfo.PublishedPort{p("0.0.0.0", 8080), p("::", 8080)}, []netinfo.PublishedPort{p("0.0.0.0", 8080), p("::", 8080)}},
		"IPv4 was asked for": {[]netinfo.PublishedPort{p("0.0.0.0", 8080)}, []netinfo.PublishedPort{p("0.0.0.0", 8080)}, []netinfo.PublishedPort{p("0.0.0.0", 8080)}},
		"the daemon's --ip":  {[]netinfo.PublishedPort{p("", 8080)}, []netinfo.PublishedPort{p("192.0.2.1", 8080)}, []netinfo.PublishedPort{p("192.0.2.1", 8080)}},
	} {
		if diff := cmp.Diff(tc.want, inForce(tc.asked, tc.given), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
