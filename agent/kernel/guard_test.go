package kernel

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"dockwall/rules"
)

func mac(text string) rules.MAC {
	m, err := rules.ParseMAC(text)
	if err != nil {
		panic(err)
	}
	return m
}

var (
	webMAC, dbMAC = mac("02:42:ac:12:00:02"), mac("02:42:ac:12:00:03")
	vrrpMAC       = mac("00:00:5e:00:01:0a")
	buildMAC      = mac("02:42:ac:12:00:09")
	webLocal      = netip.MustParseAddr("fe80::42:acff:fe12:2")
)

// watched is apart with its ports guarded: web at 10, which a block lets send from
// more, db at 11, an image build at 12 and a port of a network that allows spoofing.
func watched() rules.Frames {
	f := apart()
	at := func(port int, m rules.MAC, addrs ...netip.Addr) (all []rules.Sender) {
		for _, a := range addrs {
			all = append(all, rules.Sender{Station: rules.Station{Port: port, MAC: m}, Addr: a})
		}
		return all
	}
	f.Guard = rules.Guard{On: true, HoldUnknown: true, Free: []int{20}, Group: 4777, Prefix: "dockwall:spoof",
		Senders: append(append(at(10, vrrpMAC, web, webAddr6), at(10, webMAC, web, webAddr6, webLocal)...), at(11, dbMAC, db)...),
		Allowances: []rules.Allowance{{Name: "vrrp", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.8.0.0/25"), netip.MustParsePrefix("10.8.0.128/25"),
			netip.MustParsePrefix("172.18.0.250/32"), netip.MustParsePrefix("fd08::/64")}, Stations: []rules.Station{{Port: 10, MAC: vrrpMAC}, {Port: 10, MAC: webMAC}}}},
		Strays: []rules.Station{{Port: 12, MAC: buildMAC}},
		Hosts:  []netip.Addr{netip.MustParseAddr("172.18.0.1"), netip.MustParseAddr("fd18::1")}}
	return f
}

// TestGuardTable writes the guard's table, edits its members, finds what another program
// changes in it, and turns it off.
func TestGuardTable(t *testing.T) {
	inNamespace(t)
	f := New(hclog.NewNullLogger()).Frames()
	put := func(want rules.Frames, look, repaired bool) {
		t.Helper()
		if was, err := f.Put(want, look); err != nil || was != repaired {
			t.Fatalf("repaired %v, %v; want %v", was, err, repaired)
		}
	}
	want := watched()
	put(want, false, false)
	put(want, true, false)
	holds := func(g rules.Guard, want bool) {
		t.Helper()
		if got, err := f.GuardHolds(g); err != nil || got != want {
			t.Errorf("the kernel holds it: %v, %v; want %v", got, err, want)
		}
	}
	holds(want.Guard, true)
	holds(rules.Guard{}, false)
	other := watched().Guard
	other.Allowances[0].Prefixes = other.Allowances[0].Prefixes[1:]
	holds(other, false)
	other.Allowances = nil
	holds(other, false)
	other = watched().Guard
	other.Senders, other.Free = nil, append(other.Free, 11)
	holds(other, false)
	first := listed(t)
	for _, line := range []string{"10.8.0.0/24", "172.18.0.250", "fd08::/64", "10 . 02:42:ac:12:00:02 . 172.18.0.2", "10 . 02:42:ac:12:00:02 . ::42:acff:fe12:2",
		`iif . ether saddr . @nh,96,32 @own4 goto own4_sends`, `log prefix "dockwall:spoof" group 4777`, "udp sport 67"} {
		if !strings.Contains(first, line) {
			t.Errorf("there is no %q in\n%s", line, first)
		}
	}
	less := watched()
	less.Guard.Senders, less.Guard.Strays, less.Guard.Free = less.Guard.Senders[:2], nil, []int{20, 21}
	less.Guard.Allowances[0].Stations = nil
	put(less, false, false)
	put(want, false, false)
	if diff := cmp.Diff(first, listed(t)); diff != "" {
		t.Errorf("edited there and back (-want +got):\n%s", diff)
	}
	for _, command := range []string{"nft flush chain bridge dockwall spoofed", "nft flush set bridge dockwall own6", "nft add element bridge dockwall more4_0 '{ 192.0.2.0/24 }'",
		"nft delete element bridge dockwall more4_0 '{ 172.18.0.250 }'", "nft add element bridge dockwall free '{ 12 }'"} {
		sh(t, command)
		put(want, true, true)
		if diff := cmp.Diff(first, listed(t)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", command, diff)
		}
	}
	plain := watched()
	plain.Guard.Allowances = nil
	put(plain, false, false)
	holds(plain.Guard, true)
	holds(want.Guard, false)
	put(want, false, false)
	if err := f.Loosen(); err != nil {
		t.Fatal(err)
	}
	if text := listed(t); !strings.Contains(text, "@own4") || strings.Contains(text, `"veth*"`) {
		t.Errorf("a stopping agent leaves:\n%s", text)
	}
	put(apart(), false, false)
	if text := listed(t); strings.Contains(text, "spoofed") || strings.Contains(text, "set own4") {
		t.Errorf("spoofing is allowed, and there is\n%s", text)
	}
	holds(want.Guard, false)
	holds(rules.Guard{}, true)
}
