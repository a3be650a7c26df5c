package hostnet

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/test/nstest"
)

// Messages as Linux 6.18 sent them.
const (
	nflogInput4 = "020012b6080001000800010014000a00646f636b77616c6c3a696e707574340008000400000000031000080000060000020000000005000006000f000001000006001100000e00001200100002a86e3c187a0200000000050800000014000300000000006b0407f700000000000870d32500090045000021fd6f40004011b955c0000205c0000201ab0c0035000d842568656c6c6f000000"
	nflogInput6 = "0a0012b60800010086dd010014000a00646f636b77616c6c3a696e707574360008000400000000031000080000060000020000000005000006000f000001000006001100000e00001200100002a86e3c187a02000000000586dd000014000300000000006b0407f7000000000008724839000900600da526000d114020010db800000000000000000000000520010db800000000000000000000000195f60035000d5b9668656c6c6f000000"
	nflogFwd4   = "020012b6080001000800020015000a00646f636b77616c6c3a666f727761726400000000080004000000000308000500000000041000080000060000020000000005000006000f000001000006001100000e00001200100002a86e3c187a0200000000050800000014000300000000006b0407f700000000000873e325000900450000213c2f40003f11135bc0000205c6336409a3e90063000dec6068656c6c6f000000"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	nstest.Must(t, err)
	return b
}

func TestParseNFLog(t *testing.T) {
	at := func(usec int64) time.Time { return time.Unix(0x6b0407f7, usec*1000) }
	client4, client6 := netip.MustParseAddr("192.0.2.5"), netip.MustParseAddr("2001:db8::5")
	const mac = "02:00:00:00:00:05"
	for name, tt := range map[string]struct {
		message string
		want    Denied
	}{
		"input 4": {nflogInput4, Denied{At: at(0x870d3), Prefix: "dockwall:input4", Hook: HookInput, In: 3, MAC: mac,
			Src: client4, Dst: netip.MustParseAddr("192.0.2.1"), Proto: netinfo.UDP, SrcPort: 0xab0c, DstPort: 53}},
		"input 6": {nflogInput6, Denied{At: at(0x87248), Prefix: "dockwall:input6", Hook: HookInput, In: 3, MAC: mac,
			Src: client6, Dst: netip.MustParseAddr("2001:db8::1"), Proto: netinfo.UDP, SrcPort: 0x95f6, DstPort: 53}},
		"forward 4": {nflogFwd4, Denied{At: at(0x873e3), Prefix: "dockwall:forward", Hook: HookForward, In: 3, Out: 4, MAC: mac,
			Src: client4, Dst: netip.MustParseAddr("198.51.100.9"), Proto: netinfo.UDP, SrcPort: 0xa3e9, DstPort: 99}},
	} {
		got, err := parseNFLog(netlink.Message{Data: unhex(t, tt.message)}, time.Time{})
		nstest.Must(t, err)
		if d := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestParseNFLogWithoutTimeTakesTheReadersOwn(t *testing.T) {
	now := time.Unix(5, 0)
	b := nfMessage(nflogPacket, 0, 2, 1, netlink.Attribute{Type: nflogAttrPayload, Data: header4(0, 6)})
	d, err := parseNFLog(b, now)
	if err != nil || !d.At.Equal(now) {
		t.Errorf("at %v, %v; want %v", d.At, err, now)
	}
}

// header4 is an IPv4 header with options, of a fragment at this offset.
func header4(fragment byte, proto byte) []byte {
	return []byte{0x46, 0, 0, 0, 0, 0, 0, fragment, 64, proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 1, 1, 1, 1}
}

func header6(next byte) []byte {
	b := make([]byte, 40)
	b[0], b[6], b[23], b[39] = 0x60, next, 1, 2
	return b
}

func TestReadIP(t *testing.T) {
	tcp := []byte{0x12, 0x34, 0, 80, 0, 0, 0, 0}
	one4, two4 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	one6, two6 := netip.MustParseAddr("::1"), netip.MustParseAddr("::2")
	for _, tt := range []struct {
		name   string
		packet []byte
		want   Denied
	}{
		{"options", slices.Concat(header4(0, 6), tcp), Denied{Src: one4, Dst: two4, Proto: netinfo.TCP, SrcPort: 0x1234, DstPort: 80}},
		{"a later fragment has no ports", slices.Concat(header4(1, 6), tcp), Denied{Src: one4, Dst: two4, Proto: netinfo.TCP}},
		{"cut ports", slices.Concat(header4(0, 6), tcp[:3]), Denied{Src: one4, Dst: two4, Proto: netinfo.TCP}},
		{"icmp", slices.Concat(header4(0, 1), []byte{8, 3}), Denied{Src: one4, Dst: two4, Proto: netinfo.ICMP, Type: 8, Code: 3}},
		{"gre", slices.Concat(header4(0, 47), tcp), Denied{Src: one4, Dst: two4, Proto: 47}},
		{"extension headers", slices.Concat(header6(0), []byte{60, 1}, make([]byte, 14), []byte{43, 0}, make([]byte, 6), []byte{51, 0}, make([]byte, 6),
			[]byte{44, 1}, make([]byte, 10), []byte{132, 0, 0, 0, 0, 0, 0, 0}, tcp), Denied{Src: one6, Dst: two6, Proto: netinfo.SCTP, SrcPort: 0x1234, DstPort: 80}},
		{"first fragment", slices.Concat(header6(44), []byte{132, 0, 0, 1, 0, 0, 0, 0}, tcp), Denied{Src: one6, Dst: two6, Proto: netinfo.SCTP, SrcPort: 0x1234, DstPort: 80}},
		{"later fragment of 6", slices.Concat(header6(44), []byte{17, 0, 0, 8, 0, 0, 0, 0}, tcp), Denied{Src: one6, Dst: two6, Proto: netinfo.UDP}},
		{"icmpv6", slices.Concat(header6(58), []byte{128, 0}), Denied{Src: one6, Dst: two6, Proto: netinfo.ICMPv6, Type: 128}},
		{"cut in an extension", slices.Concat(header6(0), []byte{6, 200, 0}), Denied{Src: one6, Dst: two6, Proto: 0}},
	} {
		var got Denied
		if err := got.readIP(tt.packet); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if d := cmp.Diff(tt.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
	for _, bad := range [][]byte{nil, {0x45}, header6(6)[:39], header4(0, 6)[:22], {0x50, 0}} {
		var d Denied
		if d.readIP(bad) == nil {
			t.Errorf("% x was taken for a packet", bad)
		}
	}
}

// Whatever a container sends ends up here: it must never end the agent, and
// never be told as something that it is not.
func FuzzParseNFLog(f *testing.F) {
	for _, s := range []string{nflogInput4, nflogInput6, nflogFwd4} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := parseNFLog(netlink.Message{Data: b}, time.Time{})
		if err == nil {
			checkDenied(t, d)
		}
		var whole Denied
		if whole.readIP(b) != nil {
			return
		}
		checkDenied(t, whole)
		// The kernel copies as much of a packet as it was asked to: with less
		// of it known, nothing is told otherwise, only less of it.
		for n := range b {
			var part Denied
			if part.readIP(b[:n]) == nil && (part.Src != whole.Src || part.Dst != whole.Dst ||
				part.DstPort != 0 && part.DstPort != whole.DstPort || part.SrcPort != 0 && part.SrcPort != whole.SrcPort) {
				t.Fatalf("% x: the first %d bytes are %+v, all are %+v", b, n, part, whole)
			}
		}
	})
}

// checkDenied holds a packet to what its readers rely on.
func checkDenied(t *testing.T, d Denied) {
	t.Helper()
	if !d.Src.IsValid() || !d.Dst.IsValid() || d.Src.Is4() != d.Dst.Is4() {
		t.Fatalf("a packet without addresses of one family: %+v", d)
	}
	ported := d.Proto == netinfo.TCP || d.Proto == netinfo.UDP || d.Proto == netinfo.SCTP
	icmp := d.Proto == netinfo.ICMP || d.Proto == netinfo.ICMPv6
	if !ported && (d.SrcPort|d.DstPort) != 0 || !icmp && (d.Type|d.Code) != 0 {
		t.Fatalf("ports or an ICMP type of protocol %d: %+v", d.Proto, d)
	}
	if d.In < 0 || d.Out < 0 {
		t.Fatalf("an interface before the first: %+v", d)
	}
}

// What was put into a report comes out of it, whatever came before it.
func FuzzNFLogRoundTrip(f *testing.F) {
	f.Add("dockwall:published", uint32(3), uint32(4), []byte{192, 0, 2, 5, 198, 51, 100, 9}, uint16(40000), uint16(443), byte(6), byte(1))
	f.Add("", uint32(0), uint32(1), make([]byte, 32), uint16(0), uint16(53), byte(17), byte(3))
	f.Fuzz(func(t *testing.T, prefix string, in, out uint32, addrs []byte, sport, dport uint16, proto, extensions byte) {
		want := Denied{Hook: HookForward, In: int(in), Out: int(out), Proto: netinfo.Protocol(proto), At: time.Unix(1, 0)}
		want.Prefix, _, _ = strings.Cut(prefix, "\x00")
		packet := build(&want, addrs, sport, dport, proto, int(extensions%5))
		if packet == nil {
			return
		}
		m := nfMessage(nflogPacket, 0, 2, 1,
			netlink.Attribute{Type: nflogAttrHeader, Data: []byte{8, 0, byte(HookForward), 0}},
			nfString(nflogAttrPrefix, want.Prefix),
			netlink.Attribute{Type: nflogAttrIn, Data: binary.BigEndian.AppendUint32(nil, in)},
			netlink.Attribute{Type: nflogAttrOut, Data: binary.BigEndian.AppendUint32(nil, out)},
			netlink.Attribute{Type: nflogAttrPayload, Data: packet})
		got, err := parseNFLog(m, time.Unix(1, 0))
		if err != nil {
			t.Fatalf("%v, of %+v", err, want)
		}
		if got != want {
			t.Fatalf("got %+v\nwant %+v", got, want)
		}
	})
}

// build makes a packet between the addresses, 8 or 32 bytes of them, with so
// many IPv6 extension headers, and notes in want what is in it; nil if these
// are no addresses, or the protocol is an extension header itself.
func build(want *Denied, addrs []byte, sport, dport uint16, proto byte, extensions int) []byte {
	extension := []byte{ipv6HopByHop, ipv6Routing, ipv6Fragment, ipv6Auth, ipv6Destination}
	if slices.Contains(extension, proto) {
		return nil
	}
	var packet []byte
	switch len(addrs) {
	case 8:
		packet = append(header4(0, proto)[:12], addrs...)
		packet[0] = 0x45
		want.Src, want.Dst = netip.AddrFrom4([4]byte(addrs)), netip.AddrFrom4([4]byte(addrs[4:]))
	case 32:
		next := append(extension[:extensions:extensions], proto)
		packet = append(header6(next[0])[:8], addrs...)
		for _, n := range next[1:] {
			packet = append(packet, n, 0, 0, 1, 0, 0, 0, 0)
		}
		want.Src, want.Dst = netip.AddrFrom16([16]byte(addrs)), netip.AddrFrom16([16]byte(addrs[16:]))
	default:
		return nil
	}
	switch want.Proto {
	case netinfo.TCP, netinfo.UDP, netinfo.SCTP:
		want.SrcPort, want.DstPort = sport, dport
	case netinfo.ICMP, netinfo.ICMPv6:
		want.Type, want.Code = byte(sport>>8), byte(sport)
	}
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(packet, sport), dport)
}

// A bridge's table reports frames that are not IP.
func TestFramesOfOtherTypes(t *testing.T) {
	arp := append([]byte{0, 1, 8, 0, 6, 4, 0, 2, 2, 0x42, 0xac, 0x12, 0, 2, 172, 18, 0, 3, 0, 0, 0, 0, 0, 0, 172, 18, 0, 1}, make([]byte, 18)...)
	var d Denied
	d.readFrame(unix.ETH_P_ARP, arp)
	if d.EtherType != unix.ETH_P_ARP || d.Src != netip.MustParseAddr("172.18.0.3") || d.Dst != netip.MustParseAddr("172.18.0.1") {
		t.Errorf("ARP: %+v", d)
	}
	for name, payload := range map[string][]byte{"cut short": arp[:20], "not for Ethernet": append([]byte{0, 6}, arp[2:]...), "empty": nil} {
		d = Denied{}
		if d.readFrame(unix.ETH_P_ARP, payload); d.Src.IsValid() || d.EtherType != unix.ETH_P_ARP {
			t.Errorf("%s: %+v", name, d)
		}
	}
}
