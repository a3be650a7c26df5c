package packets

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/rules"
)

// serve answers on these ports of each address, TCP and UDP, with the place's
// name. An address has a socket of its own, so that a UDP answer leaves from
// the one that was asked.
func (s *space) serve(t testing.TB, addrs []netip.Addr, ports []uint16) {
	t.Helper()
	err := s.in(func() error {
		for _, a := range addrs {
			for _, p := range ports {
				if err := s.serveOn(t, netip.AddrPortFrom(a, p)); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("serving as %s: %v", s.name, err)
	}
}

func (s *space) serveOn(t testing.TB, at netip.AddrPort) error {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.AcceptTCP()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte(s.name))
			_ = c.Close()
		}
	}()
	u, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return err
	}
	t.Cleanup(func() { u.Close() })
	go func() {
		data := make([]byte, 64)
		for {
			_, peer, err := u.ReadFromUDPAddrPort(data)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = u.WriteToUDPAddrPort([]byte(s.name), peer)
			}
		}
	}()
	return nil
}

// outcome is what a client sees of an attempt: the name of the server that answered, or
// one of these.
type outcome string

const (
	silence outcome = "(no answer)"
	refusal outcome = "(refused)"
)

// dial makes one attempt from the address and waits for the answer.
func (s *space) dial(from netip.Addr, to netip.AddrPort, proto rules.Protocol, patience time.Duration) (outcome, error) {
	var got outcome
	err := s.in(func() error {
		var err error
		got, err = attempt(from, to, proto, patience)
		return err
	})
	return got, err
}

func attempt(from netip.Addr, to netip.AddrPort, proto rules.Protocol, patience time.Duration) (outcome, error) {
	network := "tcp"
	var local net.Addr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	if proto == netinfo.UDP {
		network, local = "udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	}
	end := time.Now().Add(patience)
	d := net.Dialer{LocalAddr: local, Deadline: end}
	c, err := d.Dial(network, to.String())
	if err != nil {
		return judge(err)
	}
	defer c.Close()
	if tcp, ok := c.(*net.TCPConn); ok {
		// Nothing of a connection is to be left for the next policy.
		_ = tcp.SetLinger(0)
	}
	if err := c.SetDeadline(end); err != nil {
		return "", err
	}
	if proto == netinfo.UDP {
		if _, err := c.Write([]byte("hello")); err != nil {
			return judge(err)
		}
	}
	data := make([]byte, 64)
	n, err := c.Read(data)
	if err != nil {
		return judge(err)
	}
	return outcome(data[:n]), nil
}

// judge sorts what a firewall can do to a client from what is the test's own
// trouble.
func judge(err error) (outcome, error) {
	for _, e := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EACCES} {
		if errors.Is(err, e) {
			return refusal, nil
		}
	}
	var timeout net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout() {
		return silence, nil
	}
	return "", fmt.Errorf("an attempt that came to nothing: %w", err)
}
