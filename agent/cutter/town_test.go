package cutter

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"

	"dockwall/agent/kernel"
	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/compile"
	"dockwall/rules/policy"
	"dockwall/test/nstest"
)

// realTown is town() in network namespaces, without Docker:
//
//	client 192.0.2.10, 2001:db8:1::10 ── eth0 host docker0 ── web 172.17.0.2, fd17::2
//
// 9000 is published under its own number in both families, by DNAT; 9001 by
// a process that stands for docker-proxy.
type realTown struct {
	t                 *testing.T
	client, host, web netns.NsHandle
	policy            policy.Policy
}

func newRealTown(t *testing.T) *realTown {
	t.Helper()
	nstest.NeedRoot(t)
	runtime.LockOSThread()
	before, err := netns.Get()
	must(t, err)
	t.Cleanup(func() {
		// A thread that cannot go back stays locked, and dies with the test.
		if netns.Set(before) == nil {
			runtime.UnlockOSThread()
		}
		before.Close()
	})
	w := &realTown{t: t, client: addNamespace(t), web: addNamespace(t), host: addNamespace(t), policy: open(nil)}
	w.wire("eth0", w.client, "192.0.2.1/24", "192.0.2.10/24", "2001:db8:1::1/64", "2001:db8:1::10/64")
	w.wire("docker0", w.web, "172.17.0.1/16", "172.17.0.2/16", "fd17::1/64", "fd17::2/64")
	command(t, "", "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	command(t, natRules("192.0.2.1", "172.17.0.2"), "iptables-nft-restore")
	command(t, natRules("2001:db8:1::1", "[fd17::2]"), "ip6tables-nft-restore")
	return w
}

func natRules(host, web string) string {
	var s strings.Builder
	s.WriteString("*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\n")
	for _, proto := range []string{"tcp", "udp"} {
		s.WriteString("-A PREROUTING -d " + host + " -p " + proto + " -m " + proto +
			" --dport 9000 -j DNAT --to-destination " + web + ":9000\n")
	}
	return s.String() + "COMMIT\n"
}

// addNamespace makes a namespace and enters it.
func addNamespace(t *testing.T) netns.NsHandle {
	t.Helper()
	ns := nstest.Add(t)
	command(t, "", "sysctl", "-qw", "net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.all.accept_dad=0")
	return ns
}

func (w *realTown) wire(nic string, to netns.NsHandle, host4, peer4, host6, peer6 string) {
	w.t.Helper()
	command(w.t, "", "ip", "link", "add", nic, "type", "veth", "peer", "name", "p0")
	peer, err := netlink.LinkByName("p0")
	must(w.t, err)
	must(w.t, netlink.LinkSetNsFd(peer, int(to)))
	set := func(nic, a4, a6 string) {
		command(w.t, "", "ip", "addr", "add", a4, "dev", nic)
		command(w.t, "", "ip", "addr", "add", a6, "dev", nic, "nodad")
		command(w.t, "", "ip", "link", "set", nic, "up")
	}
	set(nic, host4, host6)
	w.in(to, func() {
		set("p0", peer4, peer6)
		command(w.t, "", "ip", "route", "add", "default", "via", netip.MustParsePrefix(host4).Addr().String())
		command(w.t, "", "ip", "-6", "route", "add", "default", "via", netip.MustParsePrefix(host6).Addr().String())
	})
}

// in runs f in the namespace, and comes back.
func (w *realTown) in(ns netns.NsHandle, f func()) {
	w.t.Helper()
	must(w.t, netns.Set(ns))
	defer func() { must(w.t, netns.Set(w.host)) }()
	f()
}

// snapshot is the town's, with this host's links.
func (w *realTown) snapshot() netinfo.Snapshot {
	w.t.Helper()
	links, err := hostnet.Links()
	must(w.t, err)
	port := func(p uint16, proto netinfo.Protocol) netinfo.PublishedPort {
		return netinfo.PublishedPort{HostPort: p, HostPortEnd: p, ContainerPort: p, Proto: proto}
	}
	s := netinfo.Snapshot{Engine: netinfo.Engine{Known: true}, Links: links,
		Networks: []netinfo.Network{{ID: "b", Name: "bridge", Bridge: "docker0", Driver: "bridge",
			Subnets: prefixes("172.17.0.0/16", "fd17::/64"), Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT}},
		Containers: []netinfo.Container{{ID: "1", Name: "web", State: "running",
			Endpoints: []netinfo.Endpoint{{NetworkID: "b", Addrs: []netip.Addr{
				netip.MustParseAddr("172.17.0.2"), netip.MustParseAddr("fd17::2")}}},
			Ports: []netinfo.PublishedPort{port(9000, netinfo.TCP), port(9000, netinfo.UDP),
				port(9001, netinfo.TCP), port(9001, netinfo.UDP)}}}}
	s.Normalize()
	return s
}

// enforce puts the policy into the namespace's kernel.
func (w *realTown) enforce() (rules.Ruleset, netinfo.Snapshot) {
	w.t.Helper()
	ctx, k, s := context.Background(), kernel.New(hclog.NewNullLogger()), w.snapshot()
	rs, _ := compile.Compile(w.policy, s)
	o, err := k.Options(ctx, "auto", iptables.NFT, "")
	must(w.t, err)
	st, err := k.Observe(ctx, iptables.NFT)
	must(w.t, err)
	must(w.t, k.Run(ctx, iptables.Diff(rs, st, o)))
	return rs, s
}

func (w *realTown) cut(rs rules.Ruleset, s netinfo.Snapshot) Result {
	w.t.Helper()
	r, err := New(hclog.NewNullLogger()).Cut(context.Background(), rs, s)
	must(w.t, err)
	w.t.Logf("%+v", r)
	return r
}

// talk is a connection on which both sides send unasked, every few
// milliseconds, until the test ends.
type talk struct{ heard, answered atomic.Int64 }

const beat = 5 * time.Millisecond

// chat has both ends of a connection send and count what they hear.
func (w *realTown) chat(client, server net.Conn) *talk {
	x := &talk{}
	for _, c := range []struct {
		conn  net.Conn
		count *atomic.Int64
	}{{client, &x.answered}, {server, &x.heard}} {
		w.t.Cleanup(func() { c.conn.Close() })
		go func() {
			buf := make([]byte, 1500)
			for {
				n, err := c.conn.Read(buf)
				if err != nil {
					if _, isUDP := c.conn.(*net.UDPConn); !isUDP || n < 0 || strings.Contains(err.Error(), "closed") {
						return
					}
					continue // an ICMP error of a moment ago
				}
				c.count.Add(int64(n))
			}
		}()
		go func() {
			for {
				if _, err := c.conn.Write([]byte("x")); err != nil {
					if _, isUDP := c.conn.(*net.UDPConn); !isUDP || strings.Contains(err.Error(), "closed") {
						return
					}
				}
				time.Sleep(beat) // the rate at which it sends
			}
		}()
	}
	return x
}

// tcp opens a connection from one namespace to a server in another.
func (w *realTown) tcp(from, at netns.NsHandle, listen, to string) *talk {
	w.t.Helper()
	var l net.Listener
	var err error
	w.in(at, func() { l, err = net.Listen("tcp", listen) })
	must(w.t, err)
	defer l.Close()
	var c net.Conn
	w.in(from, func() { c, err = net.DialTimeout("tcp", to, 5*time.Second) })
	must(w.t, err)
	s, err := l.Accept()
	must(w.t, err)
	return w.chat(c, s)
}

// udp is tcp for datagrams; each side knows the other from its first.
func (w *realTown) udp(from, at netns.NsHandle, listen, to string) *talk {
	w.t.Helper()
	var l *net.UDPConn
	var c, s net.Conn
	var err error
	addr := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(listen))
	w.in(at, func() { l, err = net.ListenUDP("udp", addr) })
	must(w.t, err)
	w.in(from, func() { c, err = net.Dial("udp", to) })
	must(w.t, err)
	_, err = c.Write([]byte("hello"))
	must(w.t, err)
	must(w.t, l.SetReadDeadline(time.Now().Add(5*time.Second)))
	_, peer, err := l.ReadFromUDP(make([]byte, 100))
	must(w.t, err)
	l.Close()
	w.in(at, func() { s, err = net.DialUDP("udp", addr, peer) })
	must(w.t, err)
	return w.chat(c, s)
}

// flows reports whether the server goes on hearing the client.
func (x *talk) flows() bool {
	const spell = 300 * time.Millisecond
	before := x.heard.Load()
	for end := time.Now().Add(spell); time.Now().Before(end); {
		if x.heard.Load() > before+1 {
			return true
		}
		time.Sleep(beat)
	}
	return false
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func command(t *testing.T, stdin string, argv ...string) {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}
