package facts

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// An address that the host dials opens after a moment, but not while a docker-proxy
// dials it, a container has it, or the engine does not answer.
func TestHostDials(t *testing.T) {
	addr := netip.MustParseAddr
	stray, proxied, named := addr("172.18.0.77"), addr("172.18.0.3"), addr("fd18::4")
	began := time.Now()
	var d hostDials
	for _, a := range []netip.Addr{stray, proxied, named} {
		if !d.note(a, began) || d.note(a, began.Add(time.Second)) {
			t.Errorf("%s: news must be told once", a)
		}
	}
	sockets := sockets{proxies: []hostnet.Proxy{{ContainerAddr: proxied}}}
	look := func(after time.Duration, connected bool) []netip.Addr {
		s := netinfo.Snapshot{Engine: netinfo.Engine{Connected: connected},
			Containers: []netinfo.Container{{Endpoints: []netinfo.Endpoint{{Addrs: []netip.Addr{named}}}}}}
		d.into(&s, sockets.dials, began.Add(after))
		return s.Dialled
	}
	if got := look(strangerTime/2, true); len(got) > 0 {
		t.Errorf("at once: %v", got)
	}
	if got := look(strangerTime, false); len(got) > 0 {
		t.Errorf("while the engine does not answer: %v", got)
	}
	if got := look(strangerTime, true); !slices.Equal(got, []netip.Addr{stray}) {
		t.Errorf("after a moment: %v, want %v", got, stray)
	}
	sockets.proxies[0].ContainerAddr = stray
	if got := look(2*strangerTime, true); len(got) > 0 {
		t.Errorf("when a docker-proxy dials it: %v", got)
	}
	for i := range 2 * dialledKept {
		d.note(netip.AddrFrom4([4]byte{172, 18, byte(1 + i/256), byte(i)}), began)
	}
	if len(d) != dialledKept {
		t.Errorf("%d addresses are kept, want %d", len(d), dialledKept)
	}
}
