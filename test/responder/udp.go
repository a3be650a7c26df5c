package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// startUDP answers datagrams in the background. The kernel is asked for the
// address each one was sent to, and the answer is sent from there: on a host
// with several addresses a client would not know it otherwise.
func startUDP(network, address, name string) error {
	l, err := net.ListenPacket(network, address)
	if err != nil {
		return fmt.Errorf("listening on %s:%s: %w", network, address, err)
	}
	conn := l.(*net.UDPConn)
	if err := wantDestination(conn); err != nil {
		return fmt.Errorf("listening on %s:%s: %w", network, address, err)
	}
	go answerUDP(conn, name)
	return nil
}

func wantDestination(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var v4, v6 error
	err = raw.Control(func(fd uintptr) {
		v4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		v6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err != nil {
		return err
	}
	if v4 != nil && v6 != nil {
		return fmt.Errorf("asking for packet destinations: %w", v4)
	}
	return nil
}

func answerUDP(conn *net.UDPConn, name string) {
	port := conn.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	data, control := make([]byte, 2048), make([]byte, 256)
	for {
		_, n, _, peer, err := conn.ReadMsgUDPAddrPort(data, control)
		if err != nil {
			return
		}
		local := netip.AddrPortFrom(destination(control[:n]), port)
		line := fmt.Sprintf("%s %s %s\n", name, unmap(peer), local)
		// A peer that is gone is no reason to stop answering the others.
		_, _, _ = conn.WriteMsgUDPAddrPort([]byte(line), answerFrom(local.Addr()), peer)
	}
}

// destination is where the datagram was sent to, from its control messages.
func destination(control []byte) netip.Addr {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return netip.Addr{}
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= 12:
			return netip.AddrFrom4([4]byte(m.Data[8:12]))
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= 16:
			return netip.AddrFrom16([16]byte(m.Data[:16])).Unmap()
		}
	}
	return netip.Addr{}
}

// answerFrom is the control message that makes the answer leave from the
// address that was asked. The interface is left to the routing table, for a
// host may be asked at one NIC for the address of another; link-local peers
// carry theirs as a zone.
func answerFrom(local netip.Addr) []byte {
	switch {
	case local.Is4():
		return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: local.As4()})
	case local.Is6():
		return unix.PktInfo6(&unix.Inet6Pktinfo{Addr: local.As16()})
	}
	return nil
}

func unmap(p netip.AddrPort) string {
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port()).String()
}

// askUDP sends one datagram and waits for the answer.
func askUDP(ctx context.Context, d net.Dialer, address string) (conn net.Conn, answer string, err error) {
	conn, err = d.DialContext(ctx, "udp", address)
	if err != nil {
		return nil, "", err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return conn, "", err
		}
	}
	if _, err := conn.Write([]byte("hello\n")); err != nil {
		return conn, "", err
	}
	data := make([]byte, 2048)
	n, err := conn.Read(data)
	if err != nil {
		return conn, "", err
	}
	return conn, strings.TrimSpace(string(data[:n])), nil
}
