package e2e_test

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"dockwall/test/lab"
)

// secondUplink has wan send by the host's eth2 to what it knows of the host; the
// host's answers leave by eth0.
func secondUplink(t *testing.T, l *lab.Lab) {
	t.Helper()
	in := func(place, script string) {
		t.Helper()
		if out, err := exec.Command("nsenter", "--net="+l.NamespacePath(place), "sh", "-ec", script).CombinedOutput(); err != nil {
			t.Fatalf("in %s: %v\n%s", place, err, out)
		}
	}
	nic := func(name string, end int) string {
		return fmt.Sprintf("ip addr add 203.0.113.%[2]d/24 dev %[1]s; ip addr add 2001:db8:3::%[2]d/64 dev %[1]s nodad; ip link set %[1]s up\n"+
			"sysctl -qw net.ipv4.conf.%[1]s.rp_filter=0\n", name, end)
	}
	in("host", "ip link add eth2 type veth peer name q0 netns "+l.ID()+"-wan\n"+nic("eth2", 1))
	in("wan", nic("q0", 10)+fmt.Sprintf("ip route add %s/32 via 203.0.113.1 src %s; ip -6 route add %s/128 via 2001:db8:3::1 src %s",
		l.HostAddr("eth0", 4), l.ClientAddr("wan", 4), l.HostAddr("eth0", 6), l.ClientAddr("wan", 6)))
}

// TestCutByInterface tightens a policy to one interface, with connections that come
// in by eth2 and are answered by eth0: they end if eth2 is not allowed, and go on
// if it is.
func TestCutByInterface(t *testing.T) {
	onEngines(t, []string{"20.10", "28.5"}, func(t *testing.T, engine string) {
		for via, want := range map[string]string{"eth0": "cut", "eth2": "ok"} {
			t.Run(via, func(t *testing.T) {
				l, _ := cutLab(t, engine, "nft")
				l.Host("sysctl", "-qw", "net.netfilter.nf_conntrack_udp_timeout=30", "net.netfilter.nf_conntrack_udp_timeout_stream=30")
				secondUplink(t, l)
				l.Agentd(toAnybody)
				streams := map[string]*lab.Stream{}
				for _, proto := range []string{"tcp", "udp"} {
					for _, family := range []int{4, 6} {
						streams[fmt.Sprintf("%s%d", proto, family)] = l.Client("wan").Stream(proto, l.HostAddr("eth0", family), 80)
					}
				}
				l.WriteConfig(fmt.Sprintf("published \"web\" {\n  from = [\"any\"]\n  via = [interfaces.x]\n}\ninterfaces \"x\" {\n  names = [%q]\n}\n", via))
				inForceBy := time.Now().Add(2 * time.Second)
				if want == "cut" {
					inForceBy = inForceBy.Add(8 * time.Second) // the machine may be busy
				}
				for name, s := range streams {
					got := "ok"
					for last := false; got == "ok" && !last; time.Sleep(20 * time.Millisecond) {
						last = time.Now().After(inForceBy)
						if s.Echo() != "ok" {
							got = "cut"
						}
					}
					if got != want {
						t.Errorf("%s: %s, want %s", name, got, want)
					}
				}
			})
		}
	})
}
