package lab

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"time"
)

// HostAddr is the host's address on "eth0" (the wan side) or "eth1" (the lan
// side) in family 4 or 6.
func (l *Lab) HostAddr(nic string, family int) netip.Addr {
	l.t.Helper()
	side := 1
	if nic == "eth1" {
		side = 2
	}
	return l.address(side, 1, family)
}

// HostLinkLocal is the host's fe80:: address on a NIC, as its clients know it:
// with their own NIC, which is called eth0, as its zone.
func (l *Lab) HostLinkLocal() netip.Addr {
	return netip.MustParseAddr("fe80::1").WithZone("eth0")
}

// ClientAddr is the address of "wan", "wan2" or "lan" in family 4 or 6.
func (l *Lab) ClientAddr(name string, family int) netip.Addr {
	l.t.Helper()
	switch name {
	case "wan":
		return l.address(1, 10, family)
	case "wan2":
		return l.address(1, 20, family)
	case "lan":
		return l.address(2, 10, family)
	}
	l.t.Fatalf("lab: no client %q", name)
	return netip.Addr{}
}

// address is that of one end on one side; the prefixes are those set aside for
// documentation.
func (l *Lab) address(side, end, family int) netip.Addr {
	l.t.Helper()
	switch family {
	case 4:
		if side == 1 {
			return netip.AddrFrom4([4]byte{192, 0, 2, byte(end)})
		}
		return netip.AddrFrom4([4]byte{198, 51, 100, byte(end)})
	case 6:
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:%d::%d", side, end))
	}
	l.t.Fatalf("lab: no address family %d", family)
	return netip.Addr{}
}

// makeNetwork makes the namespaces and the wires between them. wan's own NIC
// is a bridge, to which the host and wan2 are plugged.
func (l *Lab) makeNetwork() {
	l.t.Helper()
	var script strings.Builder
	for _, name := range namespaces {
		fmt.Fprintf(&script, "ip netns add %s-%s\n", l.id, name)
	}
	wire := func(nic, of, peer, at string) {
		fmt.Fprintf(&script, "ip link add %s netns %s-%s type veth peer name %s netns %s-%s\n",
			nic, l.id, of, peer, l.id, at)
	}
	wire("eth0", "host", "port0", "wan")
	wire("eth0", "wan2", "port1", "wan")
	wire("eth1", "host", "eth0", "lan")
	l.mustRun(exec.Command("sh", "-ec", script.String()))

	for _, name := range namespaces {
		cmd := exec.Command("nsenter", "--net="+l.NamespacePath(name), "sh", "-ec", l.networkScript(name))
		l.mustRun(cmd)
	}
}

// networkScript configures one namespace from inside. Duplicate address
// detection is off: an address that is tentative for a second would make tests
// slow, or wrong. So would a lost ARP request that is repeated only after a
// second, and the first one is lost where a bridge is not quite up yet. ICMP
// errors are not rationed, so that a rejection always arrives.
func (l *Lab) networkScript(name string) string {
	forward := 0
	if name == "host" && !l.options.NoForwarding {
		forward = 1
	}
	var s strings.Builder
	for _, kind := range []string{"all", "default"} {
		fmt.Fprintf(&s, "sysctl -qw net.ipv4.conf.%s.rp_filter=0 net.ipv6.conf.%s.accept_dad=0"+
			" net.ipv6.conf.%s.accept_ra=0 net.ipv6.conf.%s.disable_ipv6=0 net.ipv6.conf.%s.forwarding=%d\n",
			kind, kind, kind, kind, kind, forward)
	}
	for _, nic := range l.nics(name) {
		fmt.Fprintf(&s, "sysctl -qw net.ipv4.neigh.%s.retrans_time_ms=100 net.ipv6.neigh.%s.retrans_time_ms=100\n", nic, nic)
	}
	fmt.Fprintf(&s, "sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0 net.ipv4.ip_forward=%d\nip link set lo up\n", forward)
	if name == "wan" {
		s.WriteString("sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null || true\n" +
			"ip link add eth0 type bridge forward_delay 0 mcast_snooping 0\n" +
			"ip link set port0 master eth0 up\nip link set port1 master eth0 up\n" +
			"sysctl -qw net.ipv4.neigh.eth0.retrans_time_ms=100 net.ipv6.neigh.eth0.retrans_time_ms=100\n")
	}
	if name == "host" {
		s.WriteString(l.nicScript("eth0", 1, 1) + l.nicScript("eth1", 2, 1))
		s.WriteString(l.routeScript("wan"))
		return s.String()
	}
	side, end := 1, 10
	switch name {
	case "wan2":
		end = 20
	case "lan":
		side = 2
	}
	s.WriteString(l.nicScript("eth0", side, end))
	gateway := "eth0"
	if name == "lan" {
		gateway = "eth1"
	}
	fmt.Fprintf(&s, "ip route add default via %s\nip -6 route add default via %s\n",
		l.HostAddr(gateway, 4), l.HostAddr(gateway, 6))
	return s.String()
}

// nics are the namespace's NICs that are there before its script runs.
func (l *Lab) nics(name string) []string {
	switch name {
	case "host":
		return []string{"eth0", "eth1"}
	case "wan":
		return nil // its eth0 is made by the script
	}
	return []string{"eth0"}
}

// settle waits until every client reaches the host: the kernel takes up to a
// second to call a new link up, and a test must not take that for a firewall.
func (l *Lab) settle() {
	l.t.Helper()
	const closed = 1 // a port without a listener answers by refusing
	for _, name := range namespaces[1:] {
		client, nic := l.Client(name), "eth0"
		if name == "lan" {
			nic = "eth1"
		}
		for _, addr := range []netip.Addr{l.HostAddr(nic, 4), l.HostAddr(nic, 6), l.HostLinkLocal()} {
			l.until(10*time.Second, name+" to reach the host", func() error {
				if r := client.Dial("tcp", addr, closed); r.Class != "refused" {
					return fmt.Errorf("%s: %s", addr, r)
				}
				return nil
			})
		}
	}
}

// nicScript gives a NIC its three addresses. The link-local one is set by hand
// so that tests can name it.
func (l *Lab) nicScript(nic string, side, end int) string {
	return fmt.Sprintf("ip link set %[1]s addrgenmode none\nip link set %[1]s up\n"+
		"ip addr add %[2]s/24 dev %[1]s\nip addr add %[3]s/64 dev %[1]s nodad\n"+
		"ip addr add fe80::%[4]d/64 dev %[1]s nodad\n",
		nic, l.address(side, end, 4), l.address(side, end, 6), end)
}

func (l *Lab) routeScript(via string) string {
	return fmt.Sprintf("ip route add default via %s\nip -6 route add default via %s\n",
		l.ClientAddr(via, 4), l.ClientAddr(via, 6))
}

// AddNIC adds a NIC to the host, with a wire to a client: nic on the host, peer at the
// client. Both ends are up and have no addresses.
func (l *Lab) AddNIC(nic, client, peer string) {
	l.t.Helper()
	l.mustRun(exec.Command("ip", "link", "add", nic, "netns", l.id+"-host", "type", "veth", "peer", "name", peer, "netns", l.id+"-"+client))
	for end, of := range map[string]string{nic: "host", peer: client} {
		l.mustRun(exec.Command("ip", "-netns", l.id+"-"+of, "link", "set", end, "addrgenmode", "none", "up"))
	}
}

// Sh runs a shell script in a client's network.
func (l *Lab) Sh(client, script string) {
	l.t.Helper()
	l.mustRun(exec.Command("nsenter", "--net="+l.NamespacePath(client), "sh", "-ec", script))
}
