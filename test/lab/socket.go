package lab

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// ListenTCP listens in the client's network namespace until the test ends. It is
// for a server whose answers the test itself writes.
func (c *Client) ListenTCP(at netip.AddrPort) net.Listener {
	c.lab.t.Helper()
	var l net.Listener
	err := inNamespace(c.netns, func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", at.String())
		return err
	})
	if err != nil {
		c.lab.t.Fatalf("listening on %s in %s: %v", at, c.name, err)
	}
	c.lab.t.Cleanup(func() { l.Close() })
	return l
}

// ListenUDP is a UDP socket in the client's network namespace, until the test ends.
func (c *Client) ListenUDP(at netip.AddrPort) *net.UDPConn {
	c.lab.t.Helper()
	var conn *net.UDPConn
	err := inNamespace(c.netns, func() (err error) {
		conn, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		c.lab.t.Fatalf("a UDP socket on %s in %s: %v", at, c.name, err)
	}
	c.lab.t.Cleanup(func() { conn.Close() })
	return conn
}

// DialTCP connects from the client's network namespace, within DialTimeout.
func (c *Client) DialTCP(to netip.AddrPort) (net.Conn, error) {
	var conn net.Conn
	err := inNamespace(c.netns, func() (err error) {
		conn, err = (&net.Dialer{Timeout: DialTimeout}).Dial("tcp", to.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(10 * time.Second))
}
