package e2e_test

import (
	"io"
	"net/netip"
	"testing"
	"time"

	"dockwall/test/lab"
)

// tightest denies all but some connections, of which most meet a closed port.
const tightest = `
containers "client" { names = ["client"] }
containers "server" { names = ["server"] }
defaults {
  published = "deny"
  between   = "deny"
  egress    = "deny"
  host      = "deny"
}
published "closed" {
  ports = ["9/udp"]
  from  = ["any"]
}
between "closed" {
  from  = [containers.client]
  to    = [containers.server]
  ports = ["9/udp"]
}
egress "out" {
  from  = [containers.client]
  to    = ["any"]
  ports = ["9/udp", "7001/tcp"]
}
host "none" {
  from  = [containers.client]
  ports = ["1/tcp"]
}
`

// TestICMPErrors: errors about an allowed connection arrive, in every direction,
// where all else is denied.
func TestICMPErrors(t *testing.T) {
	onSetups(t, func(t *testing.T, l *lab.Lab, firewall string) {
		net := six(l, 1)
		server := l.RunContainer(lab.Spec{Name: "server", Network: net, Publish: []string{"9:9/udp"}, Listen: "tcp:80"})
		client := l.RunContainer(lab.Spec{Name: "client", Network: net, Listen: "tcp:80"})
		inContainer(l, server, "sysctl", "-qw", "net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
		l.Host("ip", "link", "set", "eth1", "mtu", "1300")
		l.Agentd(firewall + tightest)
		refused(t, l, lab.Ask{From: l.Client("wan"), Proto: "udp", Addr: l.HostAddr("eth0", 4), Port: 9})
		for _, family := range []int{4, 6} {
			refused(t, l, lab.Ask{From: client.Client(), Proto: "udp", Addr: l.ClientAddr("wan", family), Port: 9})
			refused(t, l, lab.Ask{From: client.Client(), Proto: "udp", Addr: server.Addr(net, family), Port: 9})
			refused(t, l, lab.Ask{From: l.Client("host"), Proto: "udp", Addr: server.Addr(net, family), Port: 9})
			pathMTU(t, client.Client(), l.Client("lan"), netip.AddrPortFrom(l.ClientAddr("lan", family), 7001))
		}
	})
}

// refused waits until the answer is that the port is closed.
func refused(t *testing.T, l *lab.Lab, ask lab.Ask) {
	t.Helper()
	var r lab.Result
	for range 5 {
		if r = ask.From.Dial(ask.Proto, ask.Addr, ask.Port); r.Class == "refused" {
			return
		}
	}
	t.Errorf("%s: want it refused, got %s", ask, r)
}

// pathMTU sends more than one packet's worth by a way that is narrower than either
// end knows.
func pathMTU(t *testing.T, from, to *lab.Client, at netip.AddrPort) {
	t.Helper()
	listener := to.ListenTCP(at)
	defer listener.Close()
	conn, err := from.DialTCP(at)
	if err != nil {
		t.Errorf("%s: %v", at, err)
		return
	}
	defer conn.Close()
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	const much = 1 << 17
	go func() { conn.Write(make([]byte, much)) }()
	peer.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := io.CopyN(io.Discard, peer, much); err != nil {
		t.Errorf("%s: %d of %d bytes arrive: %v", at, n, much, err)
	}
}
