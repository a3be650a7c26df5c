package lab_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// TestDialClasses shows that a client tells apart what a firewall may do.
func TestDialClasses(t *testing.T) {
	for _, variant := range []string{"nft", "legacy"} {
		t.Run(variant, func(t *testing.T) {
			l := lab.New(t, lab.Options{NoDocker: true, Variant: variant})
			l.Client("host").Serve("host", "tcp:7000,udp:7000")
			for _, family := range []struct {
				number           int
				iptables, reject string
			}{
				{4, "iptables", "icmp-admin-prohibited"}, {6, "ip6tables", "icmp6-adm-prohibited"},
			} {
				input := func(proto string, port int, verdict ...string) {
					l.Host(append([]string{family.iptables, "-A", "INPUT", "-p", proto, "--dport", fmt.Sprint(port), "-j"}, verdict...)...)
				}
				input("tcp", 7001, "DROP")
				input("udp", 7001, "DROP")
				input("tcp", 7002, "REJECT", "--reject-with", "tcp-reset")
				// By UDP, for in IPv6 an ICMP error does not end a connect by TCP.
				input("udp", 7002, "REJECT", "--reject-with", family.reject)
				addr := l.HostAddr("eth0", family.number)
				want := map[string]string{
					"tcp 7000": "ok", "tcp 7001": "timeout", "tcp 7002": "refused", "tcp 7003": "refused",
					"udp 7000": "ok", "udp 7001": "timeout", "udp 7002": "unreachable", "udp 7003": "refused",
				}
				got := map[string]string{}
				for name := range want {
					var proto string
					var port uint16
					if _, err := fmt.Sscan(name, &proto, &port); err != nil {
						t.Fatal(err)
					}
					got[name] = l.Client("lan").Dial(proto, addr, port).Class
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("IPv%d (-want +got):\n%s", family.number, diff)
				}
			}
		})
	}
}

// TestNetwork has every client reach every address of the host, and be seen as
// itself; over link-local addresses too.
func TestNetwork(t *testing.T) {
	l := lab.New(t, lab.Options{NoDocker: true})
	l.Client("host").Serve("host", "tcp:7000,udp:7000")
	for _, name := range []string{"wan", "wan2", "lan"} {
		for _, proto := range []string{"tcp", "udp"} {
			for _, nic := range []string{"eth0", "eth1"} {
				for _, family := range []int{4, 6} {
					r := l.Client(name).Dial(proto, l.HostAddr(nic, family), 7000)
					if want := l.ClientAddr(name, family); r.Peer() != want {
						t.Errorf("%s to %s by %s over IPv%d: %v, want peer %s", name, nic, proto, family, r, want)
					}
				}
			}
			r := l.Client(name).Dial(proto, l.HostLinkLocal(), 7000)
			if peer := r.Peer(); !peer.IsLinkLocalUnicast() {
				t.Errorf("%s to the host's link-local address by %s: %v", name, proto, r)
			}
		}
	}
	if r := l.Client("lan").Dial("tcp", l.ClientAddr("wan", 4), 7000); r.Class != "refused" {
		t.Errorf("lan to wan, through the host: %v", r)
	}
}

// TestHostIsItsOwn shows that the host has its own processes, NICs and /run.
func TestHostIsItsOwn(t *testing.T) {
	l := lab.New(t, lab.Options{NoDocker: true})
	if got := l.Host("cat", "/proc/1/comm"); got != "responder\n" {
		t.Errorf("pid 1 is %q", got)
	}
	nics := strings.Fields(l.Host("ls", "/sys/class/net"))
	if diff := cmp.Diff([]string{"eth0", "eth1", "lo"}, nics); diff != "" {
		t.Errorf("/sys/class/net (-want +got):\n%s", diff)
	}
	if got := l.Host("ls", "/run"); got != "containerd\nlock\n" {
		t.Errorf("/run holds %q", got)
	}
	if got := l.Host("cat", "/proc/sys/net/ipv4/ip_forward"); got != "1\n" {
		t.Errorf("ip_forward is %q", got)
	}
	if _, _, code := l.TryHost("false"); code != 1 {
		t.Errorf("exit code of false: %d", code)
	}
}

// TestSave shows that Save tells rules apart from mere tables and counters.
func TestSave(t *testing.T) {
	l := lab.New(t, lab.Options{NoDocker: true})
	l.Client("host").Serve("host", "tcp:7000")
	empty := l.Save()
	l.Host("iptables", "-A", "INPUT", "-p", "tcp", "-j", "ACCEPT")
	l.Host("ip6tables-legacy", "-t", "mangle", "-N", "LEFT")
	l.Host("ipset", "create", "left", "hash:ip")
	full := l.Save()
	for _, want := range []string{"-A INPUT -p tcp -j ACCEPT\n", ":LEFT - [0:0]\n", "create left "} {
		if strings.Contains(empty, want) || !strings.Contains(full, want) {
			t.Errorf("%q: in Save of an empty host, or not in\n%s", want, full)
		}
	}
	if r := l.Client("wan").Dial("tcp", l.HostAddr("eth0", 4), 7000); !r.OK {
		t.Errorf("dial: %v", r)
	}
	if diff := cmp.Diff(full, l.Save()); diff != "" {
		t.Errorf("Save after a packet (-before +after):\n%s", diff)
	}
	l.Host("iptables", "-F", "INPUT")
	l.Host("ip6tables-legacy", "-t", "mangle", "-X", "LEFT")
	l.Host("ipset", "destroy", "left")
	if diff := cmp.Diff(empty, l.Save()); diff != "" {
		t.Errorf("Save of a host that is empty again (-before +after):\n%s", diff)
	}
}

// TestStream cuts a live connection and sees it.
func TestStream(t *testing.T) {
	l := lab.New(t, lab.Options{NoDocker: true})
	l.Client("host").Serve("host", "tcp:7000,udp:7000")
	for _, proto := range []string{"tcp", "udp"} {
		s := l.Client("wan").Stream(proto, l.HostAddr("eth0", 4), 7000)
		if got := s.Echo(); got != "ok" {
			t.Errorf("%s: %s", proto, got)
		}
		l.Host("iptables", "-I", "INPUT", "-p", proto, "-j", "DROP")
		if got := s.Echo(); got != "timeout" {
			t.Errorf("%s, cut: %s", proto, got)
		}
		s.Close()
	}
}

// TestDialAll keeps the order of the attempts.
func TestDialAll(t *testing.T) {
	l := lab.New(t, lab.Options{NoDocker: true})
	l.Client("host").Serve("host", "tcp:7000,tcp:7002,tcp:7004")
	var asks []lab.Ask
	var want, got []bool
	for port := uint16(7000); port < 7006; port++ {
		asks = append(asks, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: port})
		want = append(want, port%2 == 0)
	}
	for _, r := range l.DialAll(asks) {
		got = append(got, r.OK)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("DialAll (-want +got):\n%s", diff)
	}
}

func TestPeer(t *testing.T) {
	for answer, want := range map[string]netip.Addr{
		"web 192.0.2.10:40000 172.17.0.2:80":        netip.MustParseAddr("192.0.2.10"),
		"web [2001:db8:1::10]:40000 [fe80::1%a]:80": netip.MustParseAddr("2001:db8:1::10"),
		"web":        {},
		"web nobody": {},
		"web x y":    {},
		"":           {},
	} {
		if got := (lab.Result{Answer: answer}).Peer(); got != want {
			t.Errorf("peer of %q: %v, want %v", answer, got, want)
		}
	}
}
