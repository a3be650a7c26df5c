package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
)

// frame is an Ethernet frame that passes a bridge.
type frame struct {
	in, out int
	inName  string
	kind    uint16 // the protocol behind a tag that the kernel has taken off
	tag     uint16 // the tag's type; 0 if none
	vlan    uint16
	src     netip.Addr // ARP: the sender
	dst     netip.Addr
	next    byte       // IPv6: the next header
	icmp    byte       // its type
	target  netip.Addr // of a neighbour advertisement
}

// registers is the frame as the kernel's expressions see it.
func (f frame) registers() packet {
	p := packet{meta: map[expr.MetaKey][]byte{expr.MetaKeyIIF: word(uint32(f.in)), expr.MetaKeyOIF: word(uint32(f.out)),
		expr.MetaKeyIIFNAME: ifname(f.inName), expr.MetaKeyPROTOCOL: binary.BigEndian.AppendUint16(nil, f.kind)}}
	p.link = make([]byte, 12)
	if f.tag != 0 {
		p.link = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(p.link, f.tag), f.vlan)
	}
	p.link = binary.BigEndian.AppendUint16(p.link, f.kind)
	switch f.kind {
	case unix.ETH_P_IP:
		p.network = append(append(make([]byte, ip4Source), f.src.AsSlice()...), f.dst.AsSlice()...)
	case unix.ETH_P_ARP:
		p.network = append(append(make([]byte, arpSender), f.src.AsSlice()...), make([]byte, 10)...)
	case unix.ETH_P_IPV6:
		head := make([]byte, ip6Source)
		head[ip6Next] = f.next
		p.network = append(append(head, f.src.AsSlice()...), f.dst.AsSlice()...)
		p.network = append(p.network, f.icmp, 0, 0, 0, 0, 0, 0, 0)
		if f.target.IsValid() {
			p.network = append(p.network, f.target.AsSlice()...)
		}
	}
	return p
}

// bridged is a table as Frames writes it.
func bridged(t *testing.T, f rules.Frames) (*tables, *nftables.Table) {
	t.Helper()
	w := newTables(t)
	table := &nftables.Table{Name: FrameTable, Family: nftables.TableFamilyBridge}
	w.conn.AddTable(table)
	fw := frameWriter{conn: w.conn, table: table, sets: map[string]*nftables.Set{}, guard: f.Guard.On}
	for _, s := range frameSets(f) {
		must(t, fw.addSet(s))
		w.sets[s.name] = s.members
	}
	must(t, fw.rules(f))
	must(t, w.conn.Flush())
	return w, table
}

var (
	web, webAddr6 = netip.MustParseAddr("172.18.0.2"), netip.MustParseAddr("fd18::2")
	db            = netip.MustParseAddr("172.18.0.3")
	stranger      = netip.MustParseAddr("203.0.113.9")
)

// apart is a bridge with two containers at the ports 10 and 11, and a NIC at port 1.
func apart() rules.Frames {
	return rules.Frames{Foreign: []int{1}, Group: 4778, Prefix: "dockwall:hold", Places: []netinfo.Place{
		{Port: 10, Addr: web}, {Port: 10, Addr: webAddr6}, {Port: 11, Addr: db}}}
}

// A container's address passes by its own port alone, as a source, as a sender of ARP
// and neighbour advertisements, and as a destination.
func TestFramesKeepAddressesAtTheirPorts(t *testing.T) {
	w, table := bridged(t, apart())
	for _, tt := range []struct {
		name  string
		chain string
		frame frame
		drop  bool
	}{
		{"its own", "prerouting", frame{in: 10, kind: unix.ETH_P_IP, src: web, dst: stranger}, false},
		{"its neighbour's", "prerouting", frame{in: 11, kind: unix.ETH_P_IP, src: web, dst: stranger}, true},
		{"a port that no agent knows", "prerouting", frame{in: 77, kind: unix.ETH_P_IP, src: web, dst: stranger}, true},
		{"behind the NIC", "prerouting", frame{in: 1, kind: unix.ETH_P_IP, src: web, dst: stranger}, false},
		{"an address of no container", "prerouting", frame{in: 11, kind: unix.ETH_P_IP, src: stranger, dst: web}, false},
		{"its own, IPv6", "prerouting", frame{in: 10, kind: unix.ETH_P_IPV6, src: webAddr6, dst: webAddr6}, false},
		{"its neighbour's, IPv6", "prerouting", frame{in: 11, kind: unix.ETH_P_IPV6, src: webAddr6, dst: webAddr6}, true},
		{"ARP of its own", "prerouting", frame{in: 11, kind: unix.ETH_P_ARP, src: db}, false},
		{"ARP for its neighbour", "prerouting", frame{in: 11, kind: unix.ETH_P_ARP, src: web}, true},
		{"an advertisement of its own", "prerouting", frame{in: 10, kind: unix.ETH_P_IPV6, src: webAddr6, dst: webAddr6, next: unix.IPPROTO_ICMPV6, icmp: advertises, target: webAddr6}, false},
		{"an advertisement for its neighbour", "prerouting", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.MustParseAddr("fe80::11"), dst: webAddr6, next: unix.IPPROTO_ICMPV6, icmp: advertises, target: webAddr6}, true},
		{"a question about its neighbour", "prerouting", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.MustParseAddr("fe80::11"), dst: webAddr6, next: unix.IPPROTO_ICMPV6, icmp: 135, target: webAddr6}, false},
		{"to its own", "postrouting", frame{out: 10, kind: unix.ETH_P_IP, src: stranger, dst: web}, false},
		{"to another port", "postrouting", frame{out: 11, kind: unix.ETH_P_IP, src: stranger, dst: web}, true},
		{"out by the NIC", "postrouting", frame{out: 1, kind: unix.ETH_P_IP, src: stranger, dst: web}, false},
		{"to another port, IPv6", "postrouting", frame{out: 11, kind: unix.ETH_P_IPV6, src: webAddr6, dst: webAddr6}, true},
		{"two tags of VLAN 0", "prerouting", frame{in: 11, kind: unix.ETH_P_8021Q, tag: unix.ETH_P_8021Q}, true},
		{"two tags, the first of VLAN 5", "prerouting", frame{in: 11, kind: unix.ETH_P_8021Q, tag: unix.ETH_P_8021Q, vlan: 5}, false},
		{"two tags of VLAN 0 from the NIC", "prerouting", frame{in: 1, kind: unix.ETH_P_8021Q, tag: unix.ETH_P_8021Q}, false},
		{"a priority in a tag of VLAN 0", "prerouting", frame{in: 11, kind: unix.ETH_P_8021AD, tag: unix.ETH_P_8021Q, vlan: 7 << 13}, true},
	} {
		if got := w.walk(table, tt.chain, tt.frame.registers()); got.dropped != tt.drop {
			t.Errorf("%s: dropped %v, want %v", tt.name, got.dropped, tt.drop)
		}
	}
}

// Tagged frames pass between ports that are foreign or of a network whose containers
// may talk.
func TestFramesDropTags(t *testing.T) {
	f := apart()
	if got := chainsOf(t, f); slices.Contains(got, "forward") || slices.Contains(got, "input") {
		t.Errorf("nothing asks for tags or to hold, and the chains are %v", got)
	}
	f.NoTags, f.Tagged = true, []int{12}
	w, table := bridged(t, f)
	for _, tt := range []struct {
		name  string
		frame frame
		drop  bool
	}{
		{"between containers", frame{in: 10, inName: "veth10", tag: unix.ETH_P_8021Q, vlan: 5, kind: unix.ETH_P_IP, src: web, dst: db}, true},
		{"802.1ad", frame{in: 10, inName: "veth10", tag: unix.ETH_P_8021AD, vlan: 5, kind: unix.ETH_P_IP, src: web, dst: db}, true},
		{"without a tag", frame{in: 10, inName: "veth10", kind: unix.ETH_P_IP, src: web, dst: db}, false},
		{"from the NIC", frame{in: 1, inName: "eth1", tag: unix.ETH_P_8021Q, vlan: 5, kind: unix.ETH_P_IP, src: web, dst: db}, false},
		{"in an open network", frame{in: 12, inName: "veth12", tag: unix.ETH_P_8021Q, vlan: 5, kind: unix.ETH_P_IP, src: web, dst: db}, false},
		{"of a virtual machine", frame{in: 77, inName: "vnet0", tag: unix.ETH_P_8021Q, vlan: 5, kind: unix.ETH_P_IP, src: web, dst: db}, false},
	} {
		if got := w.walk(table, "forward", tt.frame.registers()); got.dropped != tt.drop {
			t.Errorf("%s: dropped %v, want %v", tt.name, got.dropped, tt.drop)
		}
	}
}

// What a container sends from an address that the agent has not seen is held and
// reported; from a port that is no known container's it is reported.
func TestFramesHold(t *testing.T) {
	f := apart()
	f.Hold, f.Seen = true, []netinfo.Place{{Port: 10, Addr: netip.MustParseAddr("10.8.0.6")}, {Port: 10, Addr: netip.MustParseAddr("fe80::6")}}
	w, table := bridged(t, f)
	var asked, dropped = []string{f.Prefix}, []string{""}
	for _, tt := range []struct {
		name  string
		frame frame
		drop  bool
		log   []string
	}{
		{"from its address", frame{in: 10, kind: unix.ETH_P_IP, src: web}, false, nil},
		{"from an address that was seen", frame{in: 10, kind: unix.ETH_P_IP, src: netip.MustParseAddr("10.8.0.6")}, false, nil},
		{"seen at another port", frame{in: 11, kind: unix.ETH_P_IP, src: netip.MustParseAddr("10.8.0.6")}, true, asked},
		{"from a new address", frame{in: 11, kind: unix.ETH_P_IP, src: stranger}, true, asked},
		{"from a new address, IPv6", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.MustParseAddr("fd18::99"), next: unix.IPPROTO_TCP}, true, asked},
		{"a DHCP client", frame{in: 11, kind: unix.ETH_P_IP, src: netip.IPv4Unspecified()}, false, nil},
		{"an address in the making", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.IPv6Unspecified(), next: unix.IPPROTO_UDP}, false, nil},
		{"a router solicitation", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.MustParseAddr("fe80::99"), next: unix.IPPROTO_ICMPV6, icmp: 133}, false, nil},
		{"a ping", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.MustParseAddr("fe80::99"), next: unix.IPPROTO_ICMPV6, icmp: 128}, true, asked},
		{"a listener's report", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.MustParseAddr("fe80::99"), dst: netip.MustParseAddr("ff02::16"), next: unix.IPPROTO_HOPOPTS}, false, nil},
		{"hop by hop to one host", frame{in: 11, kind: unix.ETH_P_IPV6, src: netip.MustParseAddr("fe80::99"), dst: webAddr6, next: unix.IPPROTO_HOPOPTS}, true, asked},
		{"from the NIC", frame{in: 1, kind: unix.ETH_P_IP, src: stranger}, false, nil},
		{"from a port of an unknown container", frame{in: 77, kind: unix.ETH_P_IP, src: stranger}, false, dropped},
	} {
		if !tt.frame.dst.IsValid() {
			tt.frame.dst = map[bool]netip.Addr{true: db, false: webAddr6}[tt.frame.src.Is4()]
		}
		got := w.walk(table, "input", tt.frame.registers())
		if got.dropped != tt.drop || !slices.Equal(got.logged, tt.log) {
			t.Errorf("%s: dropped %v, reported %q; want %v, %q", tt.name, got.dropped, got.logged, tt.drop, tt.log)
		}
	}
}

// chainsOf are the names of the base chains that a transaction makes.
func chainsOf(t *testing.T, f rules.Frames) []string {
	t.Helper()
	w, _ := bridged(t, f)
	var names []string
	for _, m := range w.sent {
		if m.Header.Type == nftType(unix.NFT_MSG_NEWCHAIN) && text(t, m, unix.NFTA_CHAIN_TYPE) != "" {
			names = append(names, text(t, m, unix.NFTA_CHAIN_NAME))
		}
	}
	return names
}

// The meaning for random tables: an address that is in Places passes in by its ports and
// by foreign ones, and every other address by all.
func TestFramesMeanPlaces(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		port := rapid.IntRange(1, 5)
		addr := rapid.SampledFrom([]netip.Addr{web, db, stranger, webAddr6, netip.MustParseAddr("fd18::3")})
		f := rules.Frames{Foreign: rapid.SliceOfN(port, 0, 2).Draw(rt, "foreign")}
		for range rapid.IntRange(0, 5).Draw(rt, "places") {
			f.Places = append(f.Places, netinfo.Place{Port: port.Draw(rt, "port"), Addr: addr.Draw(rt, "place")})
		}
		w, table := bridged(t, f)
		for range 5 {
			a, at := addr.Draw(rt, "address"), port.Draw(rt, "at")
			passes := slices.Contains(f.Foreign, at) || slices.Contains(f.Places, netinfo.Place{Port: at, Addr: a}) ||
				!slices.Contains(f.Known(), a)
			kind := map[bool]uint16{true: unix.ETH_P_IP, false: unix.ETH_P_IPV6}[a.Is4()]
			other := map[bool]netip.Addr{true: netip.MustParseAddr("192.0.2.1"), false: netip.MustParseAddr("2001:db8::1")}[a.Is4()]
			in := w.walk(table, "prerouting", frame{in: at, kind: kind, src: a, dst: other}.registers())
			out := w.walk(table, "postrouting", frame{out: at, kind: kind, src: other, dst: a}.registers())
			if in.dropped == passes || out.dropped == passes {
				rt.Fatalf("%s by port %d: dropped in %v, out %v; want it to pass: %v\n%+v", a, at, in.dropped, out.dropped, passes, f)
			}
		}
	})
}
