package kernel

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

func between(proto netinfo.Protocol, src, dst, nic string) hostnet.Direction {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	return hostnet.Direction{Proto: proto, NIC: nic,
		Tuple: hostnet.Tuple{Src: s.Addr(), Dst: d.Addr(), SrcPort: s.Port(), DstPort: d.Port()}}
}

// TestBarrierTable reads what nft prints of the barrier: the table can be listed,
// closing twice changes nothing, opening removes, and an empty table is removed.
func TestBarrierTable(t *testing.T) {
	inNamespace(t)
	var b Barrier
	closed := []hostnet.Direction{
		between(netinfo.UDP, "172.17.0.2:53", "192.0.2.10:4001", ""), between(netinfo.TCP, "[fd17::2]:80", "[2001:db8::9]:4002", ""),
		between(netinfo.TCP, "192.0.2.10:4003", "192.0.2.1:8080", "eth1"), between(netinfo.TCP, "[2001:db8::9]:4003", "[2001:db8::1]:8080", "eth1"),
		between(netinfo.Protocol(50), "192.0.2.10:0", "192.0.2.1:0", ""), // no ports
	}
	must(t, b.Close(closed))
	before := sh(t, "nft -n list table inet "+BarrierTable)
	for _, want := range []string{"17 . 172.17.0.2 . 53 . 192.0.2.10 . 4001", "6 . fd17::2 . 80 . 2001:db8::9 . 4002",
		`192.0.2.10 . 4003 . 192.0.2.1 . 8080 . "eth1"`, `2001:db8::9 . 4003 . 2001:db8::1 . 8080 . "eth1"`,
		"hook prerouting priority -150", "hook output priority -150"} {
		if !strings.Contains(before, want) {
			t.Errorf("the table lacks %s", want)
		}
	}
	must(t, b.Close(closed))
	must(t, b.Close(closed[:2]))
	if got := sh(t, "nft -n list table inet "+BarrierTable); strings.Count(got, " drop") != strings.Count(before, " drop") || strings.Count(before, " drop") != 5 {
		t.Errorf("closed twice, it is\n%s\nand was\n%s", got, before)
	}
	stands := func(want bool) {
		t.Helper()
		got, err := b.Stands()
		must(t, err)
		if got != want {
			t.Errorf("stands: %v, want %v", got, want)
		}
	}
	stands(true)
	must(t, b.Open(append(closed[:3:3], between(netinfo.TCP, "192.0.2.99:1", "192.0.2.1:8080", ""))))
	if got := sh(t, "nft -n list table inet "+BarrierTable); strings.Contains(got, "4001") || strings.Contains(got, "4002") || !strings.Contains(got, "2001:db8::9 . 4003") {
		t.Errorf("opened, it is\n%s", got)
	}
	must(t, b.Open(closed))
	stands(false)
	if got := sh(t, "nft list tables"); strings.Contains(got, BarrierTable) {
		t.Errorf("empty, it is still there:\n%s", got)
	}
	must(t, b.Open(closed))
	stands(false)
	must(t, b.Remove())
}

// A table of the name whose sets have another type is replaced, and remove takes
// the table away.
func TestBarrierOfAnother(t *testing.T) {
	k := inNamespace(t)
	var b Barrier
	sh(t, "nft add table inet "+BarrierTable+"; nft 'add set inet "+BarrierTable+" ends4 { type ipv4_addr; }'")
	must(t, b.Close([]hostnet.Direction{between(netinfo.UDP, "172.17.0.2:53", "192.0.2.10:4001", "")}))
	if got := sh(t, "nft -n list table inet "+BarrierTable); !strings.Contains(got, "172.17.0.2 . 53") {
		t.Errorf("the table is\n%s", got)
	}
	changed, err := k.RemoveAll(t.Context())
	must(t, err)
	if got := sh(t, "nft list tables"); !changed || strings.Contains(got, BarrierTable) {
		t.Errorf("after remove (changed: %v):\n%s", changed, got)
	}
}

func TestBarrierHoldsMany(t *testing.T) {
	inNamespace(t)
	var ds []hostnet.Direction
	for i := range 5000 {
		ds = append(ds, between(netinfo.UDP, fmt.Sprintf("10.0.%d.%d:53", i>>8, i&255), "192.0.2.10:4001", ""))
	}
	var b Barrier
	begun := time.Now()
	must(t, b.Close(ds))
	t.Logf("%d directions closed within %v", len(ds), time.Since(begun))
	if got := strings.Count(sh(t, "nft -n list set inet "+BarrierTable+" ends4"), " . 4001 "); got != len(ds) {
		t.Errorf("%d elements, want %d", got, len(ds))
	}
}

// The host's own datagrams: those of a closed direction do not leave, and those
// that belong to an established connection do.
func TestBarrierOutput(t *testing.T) {
	inNamespace(t)
	sh(t, "ip link set lo up; ip addr add 192.0.2.1/32 dev lo; ip addr add 2001:db8::1/128 dev lo nodad")
	for _, host := range []string{"192.0.2.1", "[2001:db8::1]"} {
		server, err := net.ListenPacket("udp", host+":8080")
		must(t, err)
		defer server.Close()
		client, err := net.ListenPacket("udp", host+":4001")
		must(t, err)
		defer client.Close()
		send := func(from, to net.PacketConn) bool {
			from.WriteTo([]byte("x"), to.LocalAddr()) // the barrier's drop is an error of the socket
			must(t, to.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
			_, _, err := to.ReadFrom(make([]byte, 9))
			return err == nil
		}
		var b Barrier
		must(t, b.Close([]hostnet.Direction{between(netinfo.UDP, host+":8080", host+":4001", "")}))
		if send(server, client) {
			t.Errorf("%s: a datagram of a closed direction left the host", host)
		}
		if !send(client, server) || !send(server, client) {
			t.Errorf("%s: the client's datagram or its answer was dropped", host)
		}
	}
}
