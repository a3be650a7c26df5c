package compile_test

import (
	"testing"

	"dockwall/netinfo"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
)

// TestIsolated asks of each bridge on a host whether its traffic is to be shown to
// the rules.
func TestIsolated(t *testing.T) {
	s := netinfo.Snapshot{
		Networks: []netinfo.Network{
			{ID: "1", Name: "shut", Driver: "bridge", Bridge: "team-a"},
			{ID: "2", Name: "open", Driver: "bridge", Bridge: "br-000000000002"},
			{ID: "3", Name: "flat", Driver: "macvlan"},
		},
		Links: []netinfo.Link{
			{Index: 2, Name: "team-a", Kind: "bridge"},
			{Index: 3, Name: "br-000000000002", Kind: "bridge"},
			{Index: 4, Name: "virbr0", Kind: "bridge"},
			{Index: 5, Name: "new0", Kind: "bridge", Unplaced: true},
		},
	}
	deny := func(name string, a policy.Action) policy.Network { return policy.Network{Name: name, Between: a} }
	for _, c := range []struct {
		name   string
		policy policy.Policy
		want   map[string]bool // nil: nowhere
	}{
		{"nowhere", policy.Policy{Defaults: policy.Defaults{Between: policy.Allow}}, nil},
		{"one network", policy.Policy{Defaults: policy.Defaults{Between: policy.Allow}, Networks: []policy.Network{deny("shut", policy.Deny)}},
			map[string]bool{"team-a": true, "br-000000000002": false, "virbr0": false, "new0": true, "br-0123456789ab": true, "br-lan": false, "vmbr0": false}},
		{"everywhere but on one", policy.Policy{Defaults: policy.Defaults{Between: policy.Deny}, Networks: []policy.Network{deny("open", policy.Allow)}},
			map[string]bool{"team-a": true, "br-000000000002": false, "virbr0": false, "new0": true, "docker0": true, "br-0123456789ab": true}},
	} {
		isolated := compile.Isolated(c.policy, s)
		if (isolated == nil) != (c.want == nil) {
			t.Errorf("%s: somewhere = %v", c.name, isolated != nil)
			continue
		}
		for bridge, want := range c.want {
			if isolated(bridge) != want {
				t.Errorf("%s: isolated(%s) = %v", c.name, bridge, !want)
			}
		}
	}
}
