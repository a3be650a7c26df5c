package enforce

import (
	"slices"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules/backend"
	"dockwall/rules/finding"
)

// dropping is a state whose FORWARD drops in these families.
type dropping []int

func (dropping) Backend() string       { return "iptables-nft" }
func (d dropping) ForwardDrops() []int { return d }

// A policy that Docker left behind is named if Docker accepts nothing in FORWARD any more.
func TestForwardDrop(t *testing.T) {
	nft := netinfo.Engine{Connected: true, Version: "29.7.2", FirewallBackend: "nftables"}
	for _, x := range []struct {
		engine netinfo.Engine
		state  backend.State
		want   []string
	}{
		{nft, dropping{4, 6}, []string{"iptables -P FORWARD ACCEPT", "ip6tables -P FORWARD ACCEPT"}},
		{nft, dropping{6}, []string{"ip6tables -P FORWARD ACCEPT"}},
		{nft, dropping{}, nil},
		{nft, nil, nil},
		{netinfo.Engine{Connected: true, Version: "29.7.2", FirewallBackend: "iptables"}, dropping{4, 6}, nil},
	} {
		var fixes []string
		for _, f := range forwardDrop(x.engine, x.state) {
			if f.Code != finding.ForwardDrop || f.Kind().Degrades() {
				t.Errorf("%+v: finding %+v", x.state, f)
			}
			fixes = append(fixes, f.Message[strings.LastIndex(f.Message, ". ")+2:])
		}
		if !slices.Equal(fixes, x.want) {
			t.Errorf("%s, %+v: what to do is %q, want %q", x.engine.FirewallBackend, x.state, fixes, x.want)
		}
	}
}
