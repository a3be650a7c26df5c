package connlimit

import (
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Listener is a listener that holds a bounded number of connections. Its State is
// to be the http.Server's ConnState.
type Listener struct {
	net.Listener
	limits Limits

	// left is told that there is room.
	left chan struct{}

	mu    sync.Mutex
	conns map[*conn]struct{}
	// next numbers the connections in the order in which they came.
	next uint64
}

// conn is a connection of a Listener.
type conn struct {
	net.Conn
	of     *Listener
	peer   string
	number uint64
	// active: a request has begun and its answer has not ended. since is when that, or
	// its end, began.
	active bool
	since  time.Time
}

// New returns a listener with these limits.
func New(l net.Listener, limits Limits) *Listener {
	return &Listener{Listener: l, limits: limits, left: make(chan struct{}, 1), conns: map[*conn]struct{}{}}
}

// Accept returns the next connection for which there is room. Others are closed.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, deadline := peerOf(c), time.Now().Add(l.limits.Patience)
		admitted := l.admit(c, peer)
		for admitted == nil && time.Now().Before(deadline) {
			select {
			case <-l.left:
			case <-time.After(l.limits.Patience / 20):
			}
			admitted = l.admit(c, peer)
		}
		if admitted != nil {
			return admitted, nil
		}
		c.Close()
	}
}

// admit takes the connection in if there is room, or room can be made. Otherwise it returns nil.
func (l *Listener) admit(c net.Conn, peer string) *conn {
	l.mu.Lock()
	counts := map[string]int{}
	for other := range l.conns {
		counts[other.peer]++
	}
	full, fullPeer := len(l.conns) >= l.limits.All, counts[peer] >= l.limits.Peer
	if !full && !fullPeer {
		return l.add(c, peer)
	}
	leaves := l.leaving(func(other *conn) bool { return l.idle(other) && (!fullPeer || other.peer == peer) })
	if leaves == nil && !fullPeer {
		// All have requests in progress. The peer that has the most of them can do
		// without one, if that is not this peer itself.
		most := peer
		for p, n := range counts {
			if n > counts[most] {
				most = p
			}
		}
		if counts[most] > counts[peer]+1 {
			leaves = l.leaving(func(other *conn) bool { return other.peer == most })
		}
	}
	if leaves == nil {
		l.mu.Unlock()
		return nil
	}
	delete(l.conns, leaves)
	admitted := l.add(c, peer)
	leaves.Conn.Close()
	return admitted
}

// idle reports whether the connection has no request in progress, and has had the
// time to send one.
func (l *Listener) idle(c *conn) bool { return !c.active && time.Since(c.since) >= l.limits.Patience }

// add unlocks the listener.
func (l *Listener) add(c net.Conn, peer string) *conn {
	defer l.mu.Unlock()
	l.next++
	admitted := &conn{Conn: c, of: l, peer: peer, number: l.next, since: time.Now()}
	l.conns[admitted] = struct{}{}
	return admitted
}

// leaving returns the oldest connection that may be closed, or nil if none may.
func (l *Listener) leaving(may func(*conn) bool) *conn {
	var oldest *conn
	for c := range l.conns {
		if may(c) && (oldest == nil || c.number < oldest.number) {
			oldest = c
		}
	}
	return oldest
}

// State is told by the server what a connection is at.
func (l *Listener) State(c net.Conn, s http.ConnState) {
	if of, ok := c.(*conn); ok {
		l.mu.Lock()
		of.active, of.since = s == http.StateActive, time.Now()
		l.mu.Unlock()
	}
}

// Close closes the connection.
func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.conns, c)
	c.of.mu.Unlock()
	select {
	case c.of.left <- struct{}{}:
	default:
	}
	return c.Conn.Close()
}

// peerOf names whom a connection comes from: an address, of IPv6 the /64, which is
// one host's; or the process at the other end of a unix socket.
func peerOf(c net.Conn) string {
	switch c := c.(type) {
	case *net.TCPConn:
		if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
			addr, _ := netip.AddrFromSlice(a.IP)
			if addr = addr.Unmap(); addr.Is6() {
				p, _ := addr.Prefix(64)
				return p.String()
			}
			return addr.String()
		}
	case *net.UnixConn:
		if raw, err := c.SyscallConn(); err == nil {
			pid := 0
			_ = raw.Control(func(fd uintptr) {
				if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
					pid = int(cred.Pid)
				}
			})
			return strconv.Itoa(pid)
		}
	}
	return ""
}
