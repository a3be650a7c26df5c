package published

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo"
)

func TestSpans(t *testing.T) {
	udp := func(bound string, host uint16) netinfo.PublishedPort {
		p := port(bound, host, host)
		p.Proto = netinfo.UDP
		return p
	}
	var rtp []netinfo.PublishedPort // as the engine lists a range: port by port, and each family
	for n := uint16(10000); n < 20000; n++ {
		rtp = append(rtp, udp("0.0.0.0", n), udp("::", n))
	}
	for _, tt := range []struct {
		name string
		c    netinfo.Container
		want []string
	}{
		{"both families", running("web", "b", port("0.0.0.0", 80, 80), port("::", 80, 80)), []string{"80/tcp"}},
		{"RTP", running("sip", "b", rtp...), []string{"10000-19999/udp"}},
		{"neighbours of another protocol", running("dns", "b", port("", 53, 53), udp("", 54)), []string{"53/tcp", "54/udp"}},
		{"neighbours on another address", running("web", "b", port("192.0.2.1", 80, 80), port("192.0.2.2", 81, 81), port("2001:db8::1", 82, 82)),
			[]string{"192.0.2.1:80/tcp", "192.0.2.2:81/tcp", "[2001:db8::1]:82/tcp"}},
		{"a gap", running("web", "b", port("", 80, 80), port("", 82, 82), port("", 81, 81), port("", 90, 80)), []string{"80-82/tcp", "90/tcp"}},
		{"the last port", running("web", "b", port("", 65534, 1), port("", 65535, 2)), []string{"65534-65535/tcp"}},
		{"candidates", stopped("web", netinfo.PublishedPort{HostPort: 8000, HostPortEnd: 8010, Proto: netinfo.TCP}), []string{"8000-8010/tcp"}},
		{"not picked yet", stopped("web", port("", 0, 80)), nil},
		{"the address of the network", running("web", "i", port("", 80, 80)), []string{"192.0.2.2:80/tcp"}},
	} {
		var got []string
		for _, sp := range Spans(host(), &tt.c) {
			got = append(got, sp.String())
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}
