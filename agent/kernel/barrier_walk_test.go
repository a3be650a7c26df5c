package kernel

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// barred is a barrier that is closed for these directions.
func barred(t *testing.T, ids bool, ds ...hostnet.Direction) (*tables, *nftables.Table) {
	t.Helper()
	w := newTables(t)
	sets, err := writeBarrier(w.conn)
	must(t, err)
	must(t, writeNICs(w.conn, sets, ids))
	for _, s := range sets {
		for _, e := range s.elements(ds) {
			w.sets[s.Name] = append(w.sets[s.Name], string(e.Key))
		}
	}
	must(t, w.conn.Flush())
	return w, barrierTable()
}

// carried is a packet of a direction.
func carried(d hostnet.Direction, state uint32, flags byte) packet {
	p := packet{meta: map[expr.MetaKey][]byte{expr.MetaKeyL4PROTO: {byte(d.Proto)}, expr.MetaKeyIIFNAME: ifname(d.NIC)},
		ct: map[expr.CtKey][]byte{expr.CtKeySTATE: word(state), ctID: word(7)}}
	family, source := byte(unix.NFPROTO_IPV6), 8
	if d.Src.Is4() {
		family, source = unix.NFPROTO_IPV4, 12
	}
	p.meta[expr.MetaKeyNFPROTO] = []byte{family}
	p.network = append(append(make([]byte, source), d.Src.AsSlice()...), d.Dst.AsSlice()...)
	p.payload = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, d.SrcPort), d.DstPort)
	p.payload = append(p.payload, make([]byte, 9)...)
	p.payload = append(p.payload, flags, 0, 0)
	return p
}

// A closed direction is dropped unless its packet opens a connection or belongs to one
// that is established; a direction with a NIC is closed to established ones too.
func TestBarrierMessages(t *testing.T) {
	const newState, established, syn, ack = 1 << 3, 1 << 1, 0x02, 0x10
	udp4 := between(netinfo.UDP, "172.17.0.2:53", "192.0.2.10:4001", "")
	tcp6 := between(netinfo.TCP, "[fd17::2]:80", "[2001:db8::9]:4002", "")
	nic4 := between(netinfo.TCP, "192.0.2.10:4003", "192.0.2.1:8080", "eth1")
	w, table := barred(t, true, udp4, tcp6, nic4)
	other := func(d hostnet.Direction, change func(*hostnet.Direction)) hostnet.Direction {
		change(&d)
		return d
	}
	for _, tt := range []struct {
		name string
		p    packet
		drop bool
	}{
		{"a closed datagram", carried(udp4, newState, 0), true},
		{"of an established connection", carried(udp4, established, 0), false},
		{"from another port", carried(other(udp4, func(d *hostnet.Direction) { d.SrcPort++ }), newState, 0), false},
		{"to another port", carried(other(udp4, func(d *hostnet.Direction) { d.DstPort++ }), newState, 0), false},
		{"to another address", carried(other(udp4, func(d *hostnet.Direction) { d.Dst = netip.MustParseAddr("192.0.2.11") }), newState, 0), false},
		{"of another protocol", carried(other(udp4, func(d *hostnet.Direction) { d.Proto = netinfo.SCTP }), newState, 0), false},
		{"the other way", carried(hostnet.Direction{Proto: udp4.Proto, Tuple: hostnet.Tuple{Src: udp4.Dst, SrcPort: udp4.DstPort, Dst: udp4.Src, DstPort: udp4.SrcPort}}, newState, 0), false},
		{"an acknowledgement, IPv6", carried(tcp6, newState, ack), true},
		{"a SYN, IPv6", carried(tcp6, newState, syn), false},
		{"a SYN's answer, IPv6", carried(tcp6, newState, syn|ack), true},
		{"by a closed NIC", carried(nic4, established, ack), true},
		{"a SYN by a closed NIC", carried(nic4, newState, syn), false},
		{"by another NIC", carried(other(nic4, func(d *hostnet.Direction) { d.NIC = "eth2" }), established, ack), false},
	} {
		if got := w.walk(table, "prerouting", tt.p); got.dropped != tt.drop {
			t.Errorf("%s: dropped %v, want %v", tt.name, got.dropped, tt.drop)
		}
	}
	// What came by a closed NIC before is remembered by its connection's number.
	w.sets["gone"] = []string{string(word(7))}
	if got := w.walk(table, "prerouting", carried(other(nic4, func(d *hostnet.Direction) { d.NIC = "eth2" }), established, ack)); !got.dropped {
		t.Error("a connection that came by a closed NIC passes by another")
	}
	// A kernel without numbers still closes the direction that has the NIC.
	w, table = barred(t, false, nic4)
	if got := w.walk(table, "prerouting", carried(nic4, established, ack)); !got.dropped {
		t.Error("without connection numbers the NIC is open")
	}
}

// Each direction is a key of exactly the set whose family and kind it has, once, and
// one without ports of none.
func TestBarrierElements(t *testing.T) {
	ds := []hostnet.Direction{
		between(netinfo.UDP, "172.17.0.2:53", "192.0.2.10:4001", ""), between(netinfo.UDP, "172.17.0.2:53", "192.0.2.10:4001", ""),
		between(netinfo.TCP, "[fd17::2]:80", "[2001:db8::9]:4002", ""), between(netinfo.TCP, "192.0.2.10:4003", "192.0.2.1:8080", "eth1"),
		between(netinfo.TCP, "[2001:db8::9]:4003", "[2001:db8::1]:8080", "eth1"), between(netinfo.Protocol(50), "192.0.2.10:0", "192.0.2.1:0", ""),
	}
	brief := ds[0]
	brief.Brief, brief.SrcPort = true, 54
	ds = append(ds, brief)
	want := map[string]int{"ends4": 2, "ends6": 1, "nics4": 1, "nics6": 1}
	for _, s := range barrierSets(barrierTable()) {
		es := s.elements(ds)
		if len(es) != want[s.Name] {
			t.Errorf("%s has %d elements, want %d", s.Name, len(es), want[s.Name])
		}
		for i, e := range es {
			if uint32(len(e.Key)) != s.KeyType.Bytes {
				t.Errorf("%s: a key of %d bytes, the set's have %d", s.Name, len(e.Key), s.KeyType.Bytes)
			}
			if want := map[bool]any{true: brieflyFor, false: closedFor}[s.Name == "ends4" && i == 1]; e.Timeout != want {
				t.Errorf("%s, element %d: closed for %v, want %v", s.Name, i, e.Timeout, want)
			}
		}
	}
}
