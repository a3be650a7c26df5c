package rules_test

import (
	"net/netip"
	"testing"

	"dockwall/rules"
)

func TestMAC(t *testing.T) {
	m, err := rules.ParseMAC("02:42:AC:12:00:02")
	if err != nil || m.String() != "02:42:ac:12:00:02" || m.Group() {
		t.Fatalf("%v, %v", m, err)
	}
	for _, bad := range []string{"", "02:42:ac:12:00", "02:42:ac:12:00:02:03", "02:42:ac:12:00:g2", "0242ac120002", "2:42:ac:12:00:02"} {
		if m, err := rules.ParseMAC(bad); err == nil {
			t.Errorf("%q is %v", bad, m)
		}
	}
	for addr, want := range map[string]bool{"fe80::42:acff:fe12:2": true, "2001:db8::42:acff:fe12:2": true, "fe80::42:acff:fe12:3": false, "172.18.0.2": false} {
		if got := m.Identifies(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
}
