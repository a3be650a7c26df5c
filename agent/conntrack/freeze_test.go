package conntrack

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/test/nstest"
)

// lab is a client, a router and a container, see nstest.Lab.
type lab struct{ nstest.Lab }

func newLab(t *testing.T) lab {
	t.Helper()
	return lab{nstest.NewLab(t)}
}

// tighten stops everything new from the client, as a policy does, publishes
// the container's port under its own number and masquerades what it sends.
func (l lab) tighten(t *testing.T) {
	t.Helper()
	for family, to := range map[int]string{4: "192.0.2.1 -p tcp -m tcp --dport 80 -j DNAT --to-destination 172.30.0.2:80",
		6: "2001:db8::1 -p tcp -m tcp --dport 80 -j DNAT --to-destination [fd00::2]:80"} {
		nstest.Restore(t, family, "*nat\n-A PREROUTING -d "+to+"\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n")
	}
}

// closeDoor lets nobody in any more, as the compiled rules do: a SYN is judged
// whatever connection tracking says of it.
func (l lab) closeDoor(t *testing.T) {
	t.Helper()
	for _, family := range []int{4, 6} {
		nstest.Restore(t, family, "*filter\n-A INPUT -i wan0 -p tcp -j DROP\n"+
			"-A FORWARD -i wan0 -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n"+
			"-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -i wan0 -j DROP\nCOMMIT\n")
	}
}

// passes writes on one socket and reports whether the other reads it in time.
func passes(t *testing.T, from, to int) bool {
	t.Helper()
	nstest.Must(t, unix.SetsockoptTimeval(to, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 300_000}))
	if _, err := unix.Write(from, []byte("x")); err != nil {
		return false
	}
	n, err := unix.Read(to, make([]byte, 1))
	if err != nil && !errors.Is(err, unix.EAGAIN) {
		t.Logf("reading: %v", err)
	}
	return n > 0
}

type ends struct {
	family           int
	listen, from, to string
}

func bothFamilies() []ends {
	return []ends{
		{unix.AF_INET, "172.30.0.2:80", "192.0.2.2:40001", "192.0.2.1:80"},
		{unix.AF_INET6, "[fd00::2]:80", "[2001:db8::2]:40001", "[2001:db8::1]:80"},
	}
}

func flowFrom(t *testing.T, e ends, port uint16) hostnet.Flow {
	t.Helper()
	family := 4
	if e.family == unix.AF_INET6 {
		family = 6
	}
	for _, f := range flows(t, family, netinfo.TCP) {
		if f.Original.SrcPort == port {
			return f
		}
	}
	t.Fatalf("no flow from port %d", port)
	return hostnet.Flow{}
}

// A server that goes on sending brings a deleted entry back, and with it the
// connection: this is why there is Freeze.
func TestDeletedFlowComesBackWhenTheServerSends(t *testing.T) {
	l := newLab(t)
	l.tighten(t)
	e := bothFamilies()[0]
	p := l.DialThrough(t, e.family, e.listen, e.from, e.to)
	l.closeDoor(t)
	nstest.Must(t, Delete(flowFrom(t, e, 40001)))
	if passes(t, p.Client, p.Server) {
		t.Fatal("the client's packet passed at once: the door is not closed")
	}
	passes(t, p.Server, p.Client)
	if !passes(t, p.Server, p.Client) || !passes(t, p.Client, p.Server) {
		t.Error("the connection did not come back: is Freeze still needed?")
	}
}

func TestFrozenFlowIsDead(t *testing.T) {
	l := newLab(t)
	l.tighten(t)
	var pairs []nstest.Pair
	for _, e := range bothFamilies() {
		p := l.DialThrough(t, e.family, e.listen, e.from, e.to)
		if !passes(t, p.Client, p.Server) || !passes(t, p.Server, p.Client) {
			t.Fatalf("%s: no way before it is closed", e.to)
		}
		pairs = append(pairs, p)
	}
	l.closeDoor(t)
	table := openTable(t)
	for i, e := range bothFamilies() {
		cutAndTry(t, table, e, pairs[i])
	}
}

func cutAndTry(t *testing.T, table *Table, e ends, p nstest.Pair) {
	t.Helper()
	f := flowFrom(t, e, 40001)
	if !passes(t, p.Client, p.Server) {
		t.Fatalf("%s: an established connection does not pass: this test cannot fail", e.to)
	}
	nstest.Must(t, table.Freeze(f))
	nstest.Must(t, table.Freeze(f))
	if got := flowFrom(t, e, 40001); got.ID != f.ID || got.TCP.State != hostnet.TCPSynSent || got.TCP.Midstream {
		t.Errorf("%s: frozen: %+v", e.to, got)
	}
	for range 2 {
		passes(t, p.Server, p.Client)
		if passes(t, p.Client, p.Server) {
			t.Errorf("%s: the client still reaches the server", e.to)
		}
	}
	nstest.Must(t, Delete(f))
	nstest.Must(t, table.Freeze(f)) // an entry that is gone is no error, and is not made again
	for _, g := range flows(t, map[int]int{unix.AF_INET: 4, unix.AF_INET6: 6}[e.family], netinfo.TCP) {
		if g.Original == f.Original {
			t.Errorf("%s: made anew: %+v", e.to, g)
		}
	}
}

func openTable(t *testing.T) *Table {
	t.Helper()
	table, err := Open()
	nstest.Must(t, err)
	t.Cleanup(func() { table.Close() })
	return table
}

// Who was cut off comes again from the same port, as kernels that draw ports in
// order do: what is left of the old connection must not let the new one in.
func TestFrozenFlowLetsNoNewOneIn(t *testing.T) {
	for name, order := range map[string][]string{"client first": {"client", "server"}, "server first": {"server", "client"}} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.tighten(t)
			var pairs []nstest.Pair
			for _, e := range bothFamilies() {
				pairs = append(pairs, l.DialThrough(t, e.family, e.listen, e.from, e.to))
			}
			l.closeDoor(t)
			table := openTable(t)
			for i, e := range bothFamilies() {
				nstest.Must(t, table.Freeze(flowFrom(t, e, 40001)))
				for _, end := range order {
					reset(t, map[string]int{"client": pairs[i].Client, "server": pairs[i].Server}[end])
				}
				l.comesAgain(t, e)
			}
		})
	}
}

// reset ends a socket at once.
func reset(t *testing.T, fd int) {
	t.Helper()
	nstest.Must(t, unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	nstest.Must(t, err)
	defer unix.Close(null)
	nstest.Must(t, unix.Dup2(null, fd)) // the number is closed when the test ends
}

func (l lab) comesAgain(t *testing.T, e ends) {
	t.Helper()
	var client int
	nstest.In(t, l.Client, func() { client = nstest.Open(t, e.family, unix.SOCK_STREAM) })
	nstest.Must(t, unix.SetsockoptTimeval(client, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Usec: 300_000}))
	nstest.Must(t, unix.Bind(client, nstest.Sockaddr(e.family, netip.MustParseAddrPort(e.from))))
	if err := unix.Connect(client, nstest.Sockaddr(e.family, netip.MustParseAddrPort(e.to))); err == nil {
		t.Errorf("%s: a new connection from %s came in by what was left of the old one", e.to, e.from)
	}
}
