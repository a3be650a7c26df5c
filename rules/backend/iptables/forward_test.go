package iptables

import (
	"slices"
	"testing"
)

func TestForwardDrops(t *testing.T) {
	forward := func(policy string) []Table {
		return []Table{{Name: "mangle", Chains: []Chain{{Name: "FORWARD", Policy: "DROP"}}},
			{Name: "filter", Chains: []Chain{{Name: "INPUT", Policy: "DROP"}, {Name: "FORWARD", Policy: policy}}}}
	}
	for _, x := range []struct {
		state State
		want  []int
	}{
		{State{}, nil},
		{State{V4: forward("ACCEPT"), V6: forward("DROP")}, []int{6}},
		{State{V4: forward("DROP"), V6: forward("DROP")}, []int{4, 6}},
	} {
		if got := x.state.ForwardDrops(); !slices.Equal(got, x.want) {
			t.Errorf("ForwardDrops = %v, want %v", got, x.want)
		}
	}
}
