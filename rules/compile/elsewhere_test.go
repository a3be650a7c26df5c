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
