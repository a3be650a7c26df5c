package facts

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	certs "dockwall/agent/tls"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/test/tlstest"
)

// verifying serves as a dockerd with tlsverify does, until the test ends.
func verifying(t *testing.T) netip.AddrPort {
	t.Helper()
	m := tlstest.Make(t, certs.Names{DNS: []string{"localhost"}})
	return tlstest.Serve(t, m.Verifying())
}

// prober is a collector whose API is behind addresses of the documentation.
func prober(servers map[string]netip.AddrPort) *Collector {
	return &Collector{apiProofs: apiProofs{unproven: make(chan struct{}, 1), clock: time.Now(), dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, servers[addr].String())
	}}}
}

func TestProve(t *testing.T) {
	c := prober(map[string]netip.AddrPort{"192.0.2.1:2376": verifying(t), "127.0.0.1:2375": tlstest.Serve(t, nil)})
	var told atomic.Int32
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { c.watchProofs(ctx, func(string) { told.Add(1) }) })
	defer running.Wait()
	defer stop()
	c.mu.Lock()
	c.proofs.follow("1", []apiSocket{{netip.MustParseAddrPort("192.0.2.1:2376"), 1}, {netip.MustParseAddrPort("0.0.0.0:2375"), 2}}, time.Now())
	c.mu.Unlock()
	c.askProofs()
	for end := time.Now().Add(30 * time.Second); told.Load() < 2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the verdicts did not come")
		}
	}
	var s netinfo.Snapshot
	c.mu.Lock()
	c.proofs.into(&s, time.Now())
	c.mu.Unlock()
	s.Normalize()
	if len(s.Proofs) != 2 || s.Proofs[0].State != netinfo.ProofPlain || !s.Proven(2376) || s.Proven(2375) || s.Proofs[1].NotAfter.IsZero() {
		t.Errorf("%+v, want a plain port and a protected one", s.Proofs)
	}
}

// Sockets that dockerd opened for a moment, for a container's port, are not asked.
func TestAPISockets(t *testing.T) {
	now := time.Now()
	old, new := now.Add(-time.Hour), now
	listener := func(at string, port uint16, since time.Time, dockerd bool) sighting {
		return sighting{l: netinfo.Listener{Addr: addr(at), Proto: netinfo.TCP, Port: port, Dockerd: dockerd}, since: since}
	}
	socket := func(at string, port uint16, inode uint64) hostnet.Socket {
		return hostnet.Socket{Addr: addr(at), Proto: netinfo.TCP, Port: port, Inode: inode}
	}
	s := sockets{
		listeners: []sighting{listener("0.0.0.0", 2376, new, true), listener("0.0.0.0", 4243, old, true), listener("0.0.0.0", 8080, new, true),
			listener("127.0.0.1", 2375, old, true), listener("0.0.0.0", 22, old, false)},
		open: []hostnet.Socket{socket("::", 2376, 1), socket("192.0.2.1", 2376, 2), socket("127.0.0.1", 2376, 3), socket("0.0.0.0", 4243, 4),
			socket("0.0.0.0", 8080, 5), socket("127.0.0.1", 2375, 6), socket("0.0.0.0", 22, 7), socket("192.0.2.9", 2376, 8)},
		proxies: []hostnet.Proxy{{Proto: netinfo.TCP, HostAddr: addr("192.0.2.9"), HostPort: 2376}},
	}
	got := map[uint64]bool{}
	for _, o := range s.apiSockets([]netip.AddrPort{netip.MustParseAddrPort("0.0.0.0:2376")}, now) {
		got[o.inode] = true
	}
	for inode, want := range map[uint64]bool{1: true, 2: true, 3: false, 4: true, 5: false, 6: false, 7: false, 8: false} {
		if got[inode] != want {
			t.Errorf("socket %d is asked: %v, want %v", inode, got[inode], want)
		}
	}
}
