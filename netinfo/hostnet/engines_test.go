package hostnet

import (
	"net/netip"
	"slices"
	"testing"

	"dockwall/test/nstest"
)

// Another process and other arguments are another dockerd; the same one stays the same.
func TestEngines(t *testing.T) {
	seen := map[string]string{}
	for name, x := range map[string]struct {
		pid        int
		args       string
		configured string
	}{
		"one":             {10, "-H fd:// -H tcp://192.0.2.1:4243 --tlsverify", "192.0.2.1:4243"},
		"another process": {11, "-H fd:// -H tcp://192.0.2.1:4243 --tlsverify", "192.0.2.1:4243"},
		"without TLS":     {10, "-H fd:// -H tcp://192.0.2.1:4243", "192.0.2.1:4243"},
	} {
		p := newFakeProc(t)
		p.process(x.pid, "dockerd", "net:[1]", "/usr/bin/dockerd "+x.args)
		s := scannerWithoutConfig(t, p)
		_, err := s.Dockerd(nil)
		nstest.Must(t, err)
		identity, configured := s.Engines()
		if again, _ := s.Engines(); again != identity || identity == "" {
			t.Errorf("%s: %q, and then %q", name, identity, again)
		}
		if !slices.Contains(configured, netip.MustParseAddrPort(x.configured)) {
			t.Errorf("%s is configured to serve %v, want %s", name, configured, x.configured)
		}
		if other, twice := seen[identity]; twice {
			t.Errorf("%s and %s cannot be told apart", name, other)
		}
		seen[identity] = name
	}
	p := newFakeProc(t)
	s := scannerWithoutConfig(t, p)
	_, err := s.Dockerd(nil)
	nstest.Must(t, err)
	if identity, configured := s.Engines(); identity != "" || len(configured) > 0 {
		t.Errorf("without a dockerd: %q %v", identity, configured)
	}
}
