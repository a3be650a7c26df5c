package nstest

import (
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Lab is a client, a router with a published port, and a container behind it:
//
//	client 192.0.2.2 ── 192.0.2.1 router 172.30.0.1 ── 172.30.0.2 container
//	  2001:db8::2 ──── 2001:db8::1        fd00::1 ──── fd00::2
type Lab struct{ Client, Router, Container netns.NsHandle }

// NewLab makes it, with port 8080 of the router led to port 80 of the container. The
// test is in the router.
func NewLab(t *testing.T) Lab {
	t.Helper()
	l := Lab{Router: New(t)}
	l.Client = Add(t)
	l.Container = Add(t)
	Must(t, netns.Set(l.Router))
	// Duplicate address detection would hold IPv6 back for two seconds.
	for _, ns := range []netns.NsHandle{l.Client, l.Router, l.Container} {
		In(t, ns, func() { Run(t, "", "sysctl", "-q", "-w", "net.ipv6.conf.default.accept_dad=0") })
	}
	l.attach(t, "wan0", l.Client, "192.0.2", "2001:db8::")
	l.attach(t, "lan0", l.Container, "172.30.0", "fd00::")
	Run(t, "", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
	Restore(t, 4, "*nat\n-A PREROUTING -d 192.0.2.1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.30.0.2:80\nCOMMIT\n")
	Restore(t, 4, "*mangle\n-A PREROUTING -p tcp -m tcp --dport 8080 -j CONNMARK --set-mark 7\nCOMMIT\n")
	Restore(t, 6, "*nat\n-A PREROUTING -d 2001:db8::1 -p tcp -m tcp --dport 8080 -j DNAT --to-destination [fd00::2]:80\nCOMMIT\n")
	return l
}

// attach makes a veth pair between the router, as .1, and the namespace, as .2.
func (l Lab) attach(t *testing.T, name string, ns netns.NsHandle, net4, net6 string) {
	t.Helper()
	IP(t, "link add "+name+" type veth peer name p"+name, "addr add "+net4+".1/24 dev "+name,
		"addr add "+net6+"1/64 dev "+name+" nodad", "link set "+name+" up")
	peer, err := netlink.LinkByName("p" + name)
	Must(t, err)
	Must(t, netlink.LinkSetNsFd(peer, int(ns)))
	In(t, ns, func() {
		IP(t, "addr add "+net4+".2/24 dev p"+name, "addr add "+net6+"2/64 dev p"+name+" nodad", "link set p"+name+" up",
			"route add default via "+net4+".1", "-6 route add default via "+net6+"1")
	})
}

// DialThrough connects from the client to the address, which the server in the
// container answers.
func (l Lab) DialThrough(t *testing.T, family int, listen, from, to string) Pair {
	t.Helper()
	var server int
	In(t, l.Container, func() { server = Bind(t, family, unix.SOCK_STREAM, listen, nil) })
	var p Pair
	In(t, l.Client, func() { p = Connect(t, server, family, from, to) })
	return p
}
