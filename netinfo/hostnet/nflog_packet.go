package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// Denied is a packet that a rule reported before another refused it.
type Denied struct {
	// At is when the packet came in, or where the kernel does not say when the
	// report was read.
	At time.Time
	// Prefix is the reporting rule's.
	Prefix string
	Hook   NFHook
	// In and Out are the indexes of the interfaces it came in by and leaves by;
	// 0: none. For bridged packets they are the bridge's.
	In, Out int
	// Port is the index of the bridge port it came in by; 0 if by none, or not known.
	Port int
	// MAC is the sender's on the link it came in by: 02:42:ac:11:00:02; empty
	// where the link has no Ethernet addresses.
	MAC string
	// Src and Dst are the addresses as the rule saw them, after DNAT.
	Src, Dst netip.Addr
	Proto    netinfo.Protocol
	// EtherType is that of a frame which is neither IPv4 nor IPv6, and 0 otherwise. Of
	// ARP, Src and Dst are the sender's and the target's address.
	EtherType uint16
	// SrcPort and DstPort are TCP's, UDP's and SCTP's; 0 where there are none,
	// as in the later fragments of a packet.
	SrcPort, DstPort uint16
	// Type and Code are ICMP's.
	Type, Code uint8
}

// NFHook is where in the kernel a packet was seen.
type NFHook uint8

// The hooks (linux/netfilter.h).
const (
	HookPrerouting NFHook = iota
	HookInput
	HookForward
	HookOutput
	HookPostrouting
)

// Attributes of a reported packet (linux/netfilter/nfnetlink_log.h).
const (
	nflogAttrHeader  = 1
	nflogAttrTime    = 3
	nflogAttrIn      = 4
	nflogAttrOut     = 5
	nflogAttrPort    = 6
	nflogAttrHWAddr  = 8
	nflogAttrPayload = 9
	nflogAttrPrefix  = 10
)

func parseNFLog(m netlink.Message, now time.Time) (Denied, error) {
	ad, err := nfAttributes(m)
	if err != nil {
		return Denied{}, err
	}
	d := Denied{At: now}
	var payload []byte
	var protocol uint16
	for ad.Next() {
		switch b := ad.Bytes(); ad.Type() {
		case nflogAttrHeader: // be16 protocol, u8 hook, u8 padding
			if len(b) >= 3 {
				protocol, d.Hook = binary.BigEndian.Uint16(b), NFHook(b[2])
			}
		case nflogAttrTime: // be64 seconds, be64 microseconds
			if len(b) >= 16 {
				d.At = time.Unix(int64(binary.BigEndian.Uint64(b)), int64(binary.BigEndian.Uint64(b[8:]))*1000)
			}
		case nflogAttrIn:
			d.In = ifindex(b)
		case nflogAttrOut:
			d.Out = ifindex(b)
		case nflogAttrPort:
			d.Port = ifindex(b)
		case nflogAttrHWAddr: // be16 length, u16 padding, 8 bytes
			if len(b) >= 12 && binary.BigEndian.Uint16(b) == 6 {
				d.MAC = net.HardwareAddr(b[4:10]).String()
			}
		case nflogAttrPayload:
			payload = b
		case nflogAttrPrefix:
			d.Prefix = ad.String()
		}
	}
	if err := ad.Err(); err != nil {
		return Denied{}, err
	}
	if d.Port == 0 && m.Data[0] == unix.NFPROTO_BRIDGE {
		d.Port = d.In // a kernel without br_netfilter knows no other interface there
	}
	if m.Data[0] == unix.NFPROTO_BRIDGE && protocol != unix.ETH_P_IP && protocol != unix.ETH_P_IPV6 {
		d.readFrame(protocol, payload)
		return d, nil
	}
	return d, d.readIP(payload)
}

// readFrame reads what is not IP. Of a frame with two VLAN tags, the type is that of the
// inner one.
func (d *Denied) readFrame(protocol uint16, p []byte) {
	d.EtherType = protocol
	if protocol == unix.ETH_P_ARP && len(p) >= 28 && [6]byte(p) == [6]byte{0, 1, 8, 0, 6, 4} {
		d.Src, d.Dst = netip.AddrFrom4([4]byte(p[14:18])), netip.AddrFrom4([4]byte(p[24:28]))
	}
}

func ifindex(b []byte) int {
	if len(b) < 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(b))
}

var errShort = errors.New("the packet ends within its headers")

// readIP reads the packet's headers as far as they were copied.
func (d *Denied) readIP(p []byte) error {
	if len(p) == 0 {
		return errShort
	}
	switch p[0] >> 4 {
	case 4:
		return d.readIPv4(p)
	case 6:
		return d.readIPv6(p)
	}
	return fmt.Errorf("IP version %d", p[0]>>4)
}

func (d *Denied) readIPv4(p []byte) error {
	length := int(p[0]&0xf) * 4
	if length < 20 || len(p) < length {
		return errShort
	}
	d.Src, d.Dst = netip.AddrFrom4([4]byte(p[12:16])), netip.AddrFrom4([4]byte(p[16:20]))
	d.Proto = netinfo.Protocol(p[9])
	if binary.BigEndian.Uint16(p[6:])&0x1fff == 0 {
		d.readTransport(p[length:])
	}
	return nil
}

// IPv6 extension headers that are passed over (IANA's protocol numbers).
const (
	ipv6HopByHop    = 0
	ipv6Routing     = 43
	ipv6Fragment    = 44
	ipv6Auth        = 51
	ipv6Destination = 60
)

func (d *Denied) readIPv6(p []byte) error {
	if len(p) < 40 {
		return errShort
	}
	d.Src, d.Dst = netip.AddrFrom16([16]byte(p[8:24])), netip.AddrFrom16([16]byte(p[24:40]))
	next, rest := p[6], p[40:]
	for {
		d.Proto = netinfo.Protocol(next)
		length := 8
		switch next {
		case ipv6HopByHop, ipv6Routing, ipv6Destination:
			if len(rest) >= 2 {
				length = int(rest[1])*8 + 8
			}
		case ipv6Auth:
			if len(rest) >= 2 {
				length = int(rest[1])*4 + 8
			}
		case ipv6Fragment:
			if len(rest) >= 8 && binary.BigEndian.Uint16(rest[2:])&^7 != 0 {
				// A later fragment says the protocol, but has no ports.
				d.Proto = netinfo.Protocol(rest[0])
				return nil
			}
		default:
			d.readTransport(rest)
			return nil
		}
		if len(rest) < length {
			return nil
		}
		next, rest = rest[0], rest[length:]
	}
}

// readTransport reads the ports. What was not copied is left zero.
func (d *Denied) readTransport(p []byte) {
	switch d.Proto {
	case netinfo.TCP, netinfo.UDP, netinfo.SCTP:
		if len(p) >= 4 {
			d.SrcPort, d.DstPort = binary.BigEndian.Uint16(p), binary.BigEndian.Uint16(p[2:])
		}
	case netinfo.ICMP, netinfo.ICMPv6:
		if len(p) >= 2 {
			d.Type, d.Code = p[0], p[1]
		}
	}
}
