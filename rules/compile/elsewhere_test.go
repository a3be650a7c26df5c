package compile

import (
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules/finding"
)

func TestNetworksThatAreNotHereAreNamed(t *testing.T) {
	networks := []netinfo.Network{{ID: "1", Name: "bridge", Bridge: "docker0"}, {ID: "2", Name: "shop", Bridge: "shop0", Missing: true}, {ID: "3", Name: "host"}}
	for _, x := range []struct {
		engine netinfo.Engine
		codes  []finding.Code
		words  string
	}{
		{netinfo.Engine{Connected: true, Known: true}, []finding.Code{finding.BridgeMissing}, "network shop: Docker lists its bridge shop0"},
		{netinfo.Engine{Connected: true, Known: true, Elsewhere: "it runs rootless"}, []finding.Code{finding.DockerElsewhere},
			"it runs rootless. No rule here meets the packets of its containers: networks bridge (bridge docker0), shop (bridge shop0)"},
		{netinfo.Engine{Known: true, Elsewhere: "it runs rootless"}, nil, ""},
	} {
		ps := elsewhereProblems(netinfo.Snapshot{Engine: x.engine, Networks: networks})
		if len(ps) != len(x.codes) {
			t.Errorf("%+v: the findings are %+v, want %v", x.engine, ps, x.codes)
			continue
		}
		for i, p := range ps {
			if p.Code != x.codes[i] || !strings.Contains(p.Message, x.words) || !p.Kind().Degrades() {
				t.Errorf("%+v: finding %+v, want %s with %q", x.engine, p, x.codes[i], x.words)
			}
		}
	}
}

// Only an engine that can keep its rules in nftables is noted, and the state stays what
// it is: packets on 29.7 met dockwall's rules in every way in.
func TestDockersNFTablesIsNoted(t *testing.T) {
	for _, x := range []struct {
		version, backend string
		want             int
	}{
		{"29.7.2", "nftables", 1}, {"29.0.0", "nftables+firewalld", 1}, {"30.0.0-rc.1", "nftables", 1},
		{"29.7.2", "iptables", 0}, {"28.5.2", "nftables", 0}, {"28.5.2", "", 0}, {"", "nftables", 0},
	} {
		ps := nftablesProblem(netinfo.Snapshot{Engine: netinfo.Engine{Connected: true, Version: x.version, FirewallBackend: x.backend}})
		if len(ps) != x.want {
			t.Errorf("engine %s with %s: the findings are %+v, want %d", x.version, x.backend, ps, x.want)
		}
		if len(ps) > 0 && (ps[0].Code != finding.DockerNFTables || ps[0].Kind().Degrades()) {
			t.Errorf("engine %s: finding %+v", x.version, ps[0])
		}
	}
}
