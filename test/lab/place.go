package lab

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"path/filepath"
	"strings"
)

// Bridge makes a bridge on the host with these addresses, as Docker does for a
// network. It is for tests whose engine has no processes.
func (l *Lab) Bridge(name string, addrs ...netip.Prefix) {
	l.t.Helper()
	var script strings.Builder
	fmt.Fprintf(&script, "ip link add %s type bridge forward_delay 0 mcast_snooping 0\nip link set %s addrgenmode none up\n", name, name)
	for _, a := range addrs {
		fmt.Fprintf(&script, "ip addr add %s dev %s%s\n", a, name, nodad(a))
	}
	l.Host("sh", "-ec", script.String())
}

// Plug makes a namespace with these addresses and plugs it to a bridge of the
// host: what a container is to packets, with a port that is named as Docker would
// name it. Its way out is the first address of each prefix.
func (l *Lab) Plug(name, bridge string, addrs ...netip.Prefix) *Client {
	l.t.Helper()
	sum := fnv.New32a()
	sum.Write([]byte(name))
	return l.plug(name, fmt.Sprintf("veth%07x", sum.Sum32()&0xfffffff), bridge, addrs)
}

// PlugVM is Plug for what is no container: the port is named as libvirt would name
// it.
func (l *Lab) PlugVM(name, bridge string, addrs ...netip.Prefix) *Client {
	l.t.Helper()
	return l.plug(name, "vnet-"+name, bridge, addrs)
}

func (l *Lab) plug(name, port, bridge string, addrs []netip.Prefix) *Client {
	l.t.Helper()
	var script strings.Builder
	fmt.Fprintf(&script, "ip netns add %[1]s\nip link add %[3]s type veth peer name eth0 netns %[1]s\n"+
		"ip link set %[3]s addrgenmode none master %[2]s up\n"+
		"ip -n %[1]s link set lo up\nip -n %[1]s link set eth0 addrgenmode none up\n", name, bridge, port)
	for _, a := range addrs {
		fmt.Fprintf(&script, "ip -n %s addr add %s dev eth0%s\n", name, a, nodad(a))
		fmt.Fprintf(&script, "ip -n %s route add default via %s\n", name, a.Masked().Addr().Next())
	}
	l.Host("sh", "-ec", script.String())
	path := filepath.Join(fmt.Sprintf("/proc/%d/root", l.init.pid()), "run", "netns", name)
	return &Client{lab: l, name: name, netns: path}
}

// nodad spares an IPv6 address the second in which it is tentative.
func nodad(a netip.Prefix) string {
	if a.Addr().Is6() {
		return " nodad"
	}
	return ""
}
