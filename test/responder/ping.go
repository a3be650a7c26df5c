package main

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
)

// The types of ICMP messages that a ping is made of.
const (
	echoRequest4 = 8
	echoReply4   = 0
	echoRequest6 = 128
	echoReply6   = 129
)

// ping sends one echo request and waits for its reply. Nothing in a reply says who
// answers, so that the line is empty. The address's port is ignored.
func ping(ctx context.Context, d net.Dialer, address string) (net.Conn, string, error) {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, "", err
	}
	network, request, reply := "ip4:icmp", byte(echoRequest4), byte(echoReply4)
	if to.Addr().Is6() {
		network, request, reply = "ip6:ipv6-icmp", echoRequest6, echoReply6
	}
	conn, err := d.DialContext(ctx, network, to.Addr().String())
	if err != nil {
		return nil, "", err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return conn, "", err
		}
	}
	id := uint16(os.Getpid())
	if _, err := conn.Write(echoMessage(request, id)); err != nil {
		return conn, "", err
	}
	for answer := make([]byte, 512); ; {
		// Unlike Read, ReadFrom takes the IPv4 header off.
		n, _, err := conn.(*net.IPConn).ReadFrom(answer)
		if err != nil {
			return conn, "", err
		}
		if n >= 8 && answer[0] == reply && binary.BigEndian.Uint16(answer[4:]) == id {
			return conn, "", nil
		}
	}
}

// echoMessage is a message of the type. The kernel fills in the checksum of ICMPv6.
func echoMessage(kind byte, id uint16) []byte {
	m := make([]byte, 8)
	m[0] = kind
	binary.BigEndian.PutUint16(m[4:], id)
	if kind == echoRequest4 {
		binary.BigEndian.PutUint16(m[2:], ^(uint16(kind)<<8 + id))
	}
	return m
}
