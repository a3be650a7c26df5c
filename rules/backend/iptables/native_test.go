package iptables_test

import (
	"testing"

	"dockwall/rules/backend"
	"dockwall/rules/backend/iptables"

	"github.com/google/go-cmp/cmp"
)

func TestNativeRuleText(t *testing.T) {
	for _, tt := range []struct {
		rule iptables.NativeRule
		want string
		ours bool
	}{
		{iptables.NativeRule{Handle: 5, Target: "DOCKER-USER"}, "-j DOCKER-USER", false},
		{iptables.NativeRule{Handle: 5, Target: "DOCKER-USER", Comment: "dockwall:jump"}, `-m comment --comment "dockwall:jump" -j DOCKER-USER`, true},
		{iptables.NativeRule{Handle: 5, Target: "DOCKWALL-INPUT", Goto: true}, "-g DOCKWALL-INPUT", true},
		{iptables.NativeRule{Handle: 5, Conditions: []string{"ct", "cmp"}, Target: "ACCEPT"}, "[nft handle 5: ct cmp] -j ACCEPT", false},
		{iptables.NativeRule{Handle: 5, Conditions: []string{"ct"}, Target: "DOCKWALL-INPUT"}, "[nft handle 5: ct] -j DOCKWALL-INPUT", true},
		{iptables.NativeRule{Handle: 5, Comment: "-j DOCKWALL-INPUT", Target: "DROP"}, `-m comment --comment "-j DOCKWALL-INPUT" -j DROP`, false},
		{iptables.NativeRule{}, "", false},
	} {
		if got := tt.rule.Text(); got != tt.want || iptables.OurJump(got) != tt.ours {
			t.Errorf("%+v: %q, ours %t; want %q, %t", tt.rule, got, iptables.OurJump(got), tt.want, tt.ours)
		}
	}
}

func TestParseChains(t *testing.T) {
	text := "# Table `filter' contains incompatible base-chains, use 'nft' tool to list them.\n-N DOCKWALL-A\n-A DOCKWALL-A -m comment --comment \"dockwall:x y\" -c 3 180 -j DROP\n-N DOCKWALL-B\n"
	got, err := iptables.ParseChains(text)
	want := map[string][]string{"DOCKWALL-A": {`-m comment --comment "dockwall:x y" -c 3 180 -j DROP`}, "DOCKWALL-B": nil}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	counters, err := iptables.ParseChainCounters(text)
	if d := cmp.Diff([]backend.Counter{{Chain: "DOCKWALL-A", ID: "x", Policy: "y", Verdict: "drop", Packets: 3, Bytes: 180}}, counters); d != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, d)
	}
	for _, bad := range []string{"-A DOCKWALL-A -j DROP\n", "-N A\n-N A\n", "-P INPUT ACCEPT\n", "nonsense\n"} {
		if _, err := iptables.ParseChains(bad); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
