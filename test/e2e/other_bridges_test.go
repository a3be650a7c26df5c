package e2e_test

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"dockwall/test/lab"
)

// Bridges of other programs serve as before: one with a name as Docker picks it, which
// nerdctl does too, once Docker was asked; one that comes while Docker is stopped, whatever
// it is called; and both after a restart of the agent. Docker's containers stay closed.
func TestBridgesOfOtherPrograms(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.Docker("network", "create", "shop")
		web := l.RunContainer(lab.Spec{Name: "web", Network: "shop", Publish: []string{"8080:80"}})
		a := l.Agentd("")
		wan := l.Client("wan")
		plug := func(name, bridge string, net int) netip.Addr {
			l.Bridge(bridge, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 99, byte(net), 1}), 24))
			at := netip.AddrFrom4([4]byte{10, 99, byte(net), 2})
			l.Plug(name, bridge, netip.PrefixFrom(at, 24)).Serve(name, "tcp:80")
			port := strconv.Itoa(9000 + net)
			// 28 and later, and the policy DROP of older ones, do not let foreign bridges pass.
			l.Host("sh", "-ec", "iptables -t nat -I PREROUTING -i eth0 -p tcp --dport "+port+" -j DNAT --to "+at.String()+":80\n"+
				"iptables -A FORWARD -o "+bridge+" -j ACCEPT\niptables -A FORWARD -i "+bridge+" -j ACCEPT\n")
			return at
		}
		reach := func(when, name string, net uint16) {
			t.Helper()
			began := time.Now()
			for r := (lab.Result{}); r.Server() != name; time.Sleep(100 * time.Millisecond) {
				if r = wan.Dial("tcp", l.HostAddr("eth0", 4), 9000+net); time.Since(began) > 8*time.Second {
					t.Fatalf("%s, %s is not reached after 8 s: %s", when, name, r)
				}
			}
			t.Logf("%s, %s is reached after %v", when, name, time.Since(began).Round(10*time.Millisecond))
		}
		shut := func(when string) {
			t.Helper()
			if r := wan.Dial("tcp", l.HostAddr("eth0", 4), 8080); r.OK {
				t.Errorf("%s, Docker's container is reached: %s", when, r)
			}
		}
		plug("nerd", "br-0123456789ab", 1)
		reach("with Docker", "nerd", 1)
		shut("with Docker")
		web.Remove()
		l.StopDockerd()
		time.Sleep(2 * time.Second) // until the agent has missed it
		plug("vm", "virbr0", 2)
		plug("pod", "br-ba9876543210", 3)
		reach("while Docker is away", "vm", 2)
		reach("while Docker is away", "pod", 3)
		reach("while Docker is away", "nerd", 1)
		a.Stop()
		a = l.LaunchAgentd()
		a.WaitState("degraded")
		reach("after a restart of the agent", "vm", 2)
		reach("after a restart of the agent", "nerd", 1)
		l.StartDockerd()
		a.WaitState("enforcing")
		l.RunContainer(lab.Spec{Name: "web2", Network: "shop", Publish: []string{"8080:80"}})
		for name, net := range map[string]uint16{"nerd": 1, "vm": 2, "pod": 3} {
			reach("with Docker back", name, net)
		}
		shut("with Docker back")
		a.Stop()
	})
}
