package connlimit

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve answers /slow when told to, and everything else at once.
func serve(t *testing.T, limits Limits) (address string, answer chan struct{}) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answer = make(chan struct{})
	l := New(inner, limits)
	server := &http.Server{ConnState: l.State, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-answer
		}
		fmt.Fprintln(w, "here")
	})}
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return inner.Addr().String(), answer
}

// dial connects from an address of the loopback network.
func dial(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answered sends a request and reports whether it is answered.
func answered(t *testing.T, c net.Conn) bool {
	t.Helper()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return false
	}
	all, _ := io.ReadAll(c)
	return len(all) > 0
}

func closed(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := c.Read(make([]byte, 1))
	ne, timeout := err.(net.Error)
	return n == 0 && err != nil && !(timeout && ne.Timeout())
}

func TestOnePeerLeavesRoomForOthers(t *testing.T) {
	address, answer := serve(t, Limits{All: 8, Peer: 4})
	defer close(answer)
	var idle []net.Conn
	for range 20 {
		idle = append(idle, dial(t, "127.0.0.2", address))
	}
	if !answered(t, dial(t, "127.0.0.3", address)) {
		t.Error("another peer is not answered")
	}
	if !answered(t, dial(t, "127.0.0.2", address)) {
		t.Error("a new connection of the same peer is not answered")
	}
	for _, c := range idle[:16] {
		if !closed(c) {
			t.Error("an old idle connection is still open")
		}
	}
}

func TestIdleOnesMakeRoomForOtherPeers(t *testing.T) {
	address, answer := serve(t, Limits{All: 8, Peer: 4})
	defer close(answer)
	for i := range 20 {
		dial(t, fmt.Sprintf("127.0.1.%d", i+1), address)
	}
	if !answered(t, dial(t, "127.0.0.3", address)) {
		t.Error("a new peer is not answered")
	}
}

func TestBusyPeerIsRefusedMore(t *testing.T) {
	address, answer := serve(t, Limits{All: 4, Peer: 3})
	defer close(answer)
	for i := range 4 {
		c := dial(t, "127.0.0.2", address)
		if _, err := io.WriteString(c, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil && i < 3 {
			t.Fatal(err)
		}
		if i == 3 && !closed(c) {
			t.Error("a fourth connection is kept, although three have requests in progress")
		}
		time.Sleep(50 * time.Millisecond) // until the server has read it
	}
	if !answered(t, dial(t, "127.0.0.3", address)) || !answered(t, dial(t, "127.0.0.4", address)) {
		t.Error("other peers are not answered")
	}
}

func TestWithin(t *testing.T) {
	for descriptors, want := range map[uint64]Limits{
		32: {4, 1, 0}, 128: {10, 1, 0}, 256: {53, 6, 0}, 1024: {64, 8, 0}, 1 << 40: {64, 8, 0},
	} {
		if got := (Limits{All: 64, Peer: 8}).within(descriptors); got != want {
			t.Errorf("of %d descriptors %+v, want %+v", descriptors, got, want)
		}
	}
}

// TestPatience: a burst of new connections waits for room instead of being closed,
// and connections that never send anything make room in time.
func TestPatience(t *testing.T) {
	address, answer := serve(t, Limits{All: 4, Peer: 4, Patience: 200 * time.Millisecond})
	defer close(answer)
	for range 4 {
		dial(t, "127.0.0.2", address)
	}
	for range 6 {
		if !answered(t, dial(t, "127.0.0.2", address)) {
			t.Fatal("a connection is not answered beside idle ones")
		}
	}
}
