package kernel

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"dockwall/rules"
)

// sent is a frame in the kernel's registers.
func sent(f rules.Frame) packet {
	name := "eth1"
	if f.Veth {
		name = "veth0123456"
	}
	proto := binary.BigEndian.AppendUint16(nil, f.EtherType)
	p := packet{meta: map[expr.MetaKey][]byte{expr.MetaKeyIIF: word(uint32(f.Port)), expr.MetaKeyIIFNAME: ifname(name), expr.MetaKeyPROTOCOL: proto,
		expr.MetaKeyPKTTYPE: {unix.PACKET_HOST}}, link: slices.Concat(make([]byte, 6), f.MAC[:], proto)}
	if f.Tagged {
		p.link = slices.Concat(make([]byte, 6), f.MAC[:], []byte{0x81, 0, 0, 5}, proto)
	}
	switch f.EtherType {
	case unix.ETH_P_IP:
		p.network = slices.Concat(make([]byte, ip4Source), f.Source.AsSlice(), []byte{192, 0, 2, 1})
		p.meta[expr.MetaKeyL4PROTO] = []byte{byte(f.Proto)}
	case unix.ETH_P_IPV6:
		p.network = slices.Concat(make([]byte, ip6Source), f.Source.AsSlice(), netip.MustParseAddr("2001:db8::9").AsSlice(), make([]byte, 40))
		p.network[ip6Next] = byte(f.Proto)
		p.meta[expr.MetaKeyL4PROTO] = []byte{byte(f.Proto)}
	case unix.ETH_P_ARP:
		p.network = slices.Concat([]byte{0, 1, 8, 0, 6, 4, 0, byte(f.Operation)}, f.SenderMAC[:], f.Source.AsSlice(), make([]byte, 6), f.Target.AsSlice())
	}
	switch {
	case f.Proto == unix.IPPROTO_UDP:
		p.payload = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, f.SourcePort), f.DestPort)
	case f.Target.Is6():
		p.payload = slices.Concat([]byte{f.Type, 0, 0, 0, 0, 0, 0, 0}, f.Target.AsSlice())
		copy(p.network[icmp6Type:], p.payload)
	default:
		p.payload = []byte{f.Type, 0, 0, 0}
	}
	return p
}

// What the guard's messages make the kernel do is what rules.Guard says, for frames of
// all kinds, by ports in each state.
func TestGuardMessagesMeanTheGuard(t *testing.T) {
	f := watched()
	w, table := bridged(t, f)
	passed, dropped := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		x := anyFrame(rt)
		// What else the table drops is for other tests.
		open := bridgedWithout(t, f)
		other := open.walk(table, "prerouting", sent(x)).dropped
		got, want := w.walk(table, "prerouting", sent(x)), f.Sends(x)
		if got.dropped != (!want || other) {
			rt.Fatalf("%+v: dropped %v, and the guard says that it passes: %v (the rest of the table drops it: %v)", x, got.dropped, want, other)
		}
		if want {
			passed++
		} else {
			dropped++
		}
	})
	if passed == 0 || dropped == 0 {
		t.Errorf("%d frames passed and %d were dropped: this shows little", passed, dropped)
	}
}

func bridgedWithout(t *testing.T, f rules.Frames) *tables {
	f.Guard = rules.Guard{}
	w, _ := bridged(t, f)
	return w
}

// anyFrame draws a frame; most say something that some port may.
func anyFrame(rt *rapid.T) rules.Frame {
	addr4 := rapid.SampledFrom([]netip.Addr{web, db, stranger, netip.IPv4Unspecified(), netip.MustParseAddr("172.18.0.1"), netip.MustParseAddr("172.18.0.250"), netip.MustParseAddr("10.8.0.200")})
	addr6 := rapid.SampledFrom([]netip.Addr{webAddr6, webLocal, netip.IPv6Unspecified(), netip.MustParseAddr("fd18::1"), netip.MustParseAddr("fd08::77"),
		netip.MustParseAddr("fd99::42:acff:fe12:2"), netip.MustParseAddr("fd99::42:acff:fe12:3"), netip.MustParseAddr("fd18::99")})
	macs := rapid.SampledFrom([]rules.MAC{webMAC, dbMAC, vrrpMAC, buildMAC})
	x := rules.Frame{Port: rapid.SampledFrom([]int{1, 10, 10, 10, 11, 12, 12, 20, 77}).Draw(rt, "port"), Veth: rapid.Bool().Draw(rt, "veth"), MAC: macs.Draw(rt, "MAC"),
		Tagged:    rapid.IntRange(0, 9).Draw(rt, "tag") == 0,
		EtherType: rapid.SampledFrom([]uint16{unix.ETH_P_IP, unix.ETH_P_IP, unix.ETH_P_IPV6, unix.ETH_P_IPV6, unix.ETH_P_ARP, unix.ETH_P_ARP, 0x88b5}).Draw(rt, "type")}
	switch x.EtherType {
	case unix.ETH_P_IP:
		x.Source = addr4.Draw(rt, "source")
		x.Proto = rapid.SampledFrom([]rules.Protocol{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP}).Draw(rt, "proto")
		x.Type = rapid.SampledFrom([]uint8{0, 5, 8, 9}).Draw(rt, "ICMP")
	case unix.ETH_P_IPV6:
		x.Source = addr6.Draw(rt, "source")
		x.Proto = rapid.SampledFrom([]rules.Protocol{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMPV6, unix.IPPROTO_ICMPV6}).Draw(rt, "proto")
		if x.Proto == unix.IPPROTO_ICMPV6 {
			x.Type = rapid.SampledFrom([]uint8{128, 131, 133, 134, 135, 136, 137, 143}).Draw(rt, "ICMP")
			x.Target = addr6.Draw(rt, "target")
		}
	case unix.ETH_P_ARP:
		x.Source, x.Target, x.SenderMAC = addr4.Draw(rt, "sender"), addr4.Draw(rt, "target"), macs.Draw(rt, "sender's MAC")
		x.Operation = rapid.Uint16Range(1, 2).Draw(rt, "operation")
	}
	if x.Proto == unix.IPPROTO_UDP {
		x.SourcePort = rapid.SampledFrom([]uint16{53, 67, 68, 547}).Draw(rt, "source port")
		x.DestPort = rapid.SampledFrom([]uint16{53, 67, 68}).Draw(rt, "port")
	}
	return x
}
