package e2e_test

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"

	"dockwall/test/lab"
)

// ticks is how many hundredths of a second of a processor the agent has used.
func ticks(t *testing.T, a *lab.Agent) int {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.PID()))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat))
	user, errUser := strconv.Atoi(fields[13])
	system, errSystem := strconv.Atoi(fields[14])
	if errUser != nil || errSystem != nil {
		t.Fatal(fields)
	}
	return user + system
}

// TestFloodOfAddresses: a container claims thousands of addresses, by ARP,
// advertisements and packets. The agent stays idle, and others are served.
func TestFloodOfAddresses(t *testing.T) {
	oneByOne(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		network := six(l, 1)
		bob, ann := wire(l, "bob", network), wire(l, "ann", network)
		l.Client("wan2").Serve("wan2", "tcp:7000")
		agent := l.Agentd(escaping)
		mac := bridgeMAC(t, l, network)
		time.Sleep(time.Second)
		before, begun := ticks(t, agent), time.Now()
		v4, v6 := netip.MustParseAddr("172.30.64.0"), netip.MustParseAddr("2001:db8:101::1:0")
		sent := 0
		for ; time.Since(begun) < 6*time.Second; sent++ {
			v4, v6 = v4.Next(), v6.Next()
			claims(bob.Wire, v4, bob.MAC())
			claims(bob.Wire, v6, bob.MAC())
			forgery{from: v4, to: l.ClientAddr("wan2", 4), fromMAC: bob.MAC(), toMAC: mac}.send(bob.Wire, "flood")
			forgery{from: v6, to: l.ClientAddr("wan2", 6), fromMAC: bob.MAC(), toMAC: mac}.send(bob.Wire, "flood")
		}
		busy := float64(ticks(t, agent)-before) / time.Since(begun).Seconds()
		t.Logf("%d addresses of each family in %v: %.0f %% of a processor", sent, time.Since(begun), busy)
		if busy > 15 {
			t.Errorf("%.0f %% of a processor, want at most 15", busy)
		}
		for _, family := range []int{4, 6} {
			must(t, l, lab.Ask{From: ann.Client(), Proto: "tcp", Addr: l.ClientAddr("wan2", family), Port: 7000}, "wan2")
		}
		l.Host("sh", "-c", fmt.Sprintf("nsenter -t $(docker -H unix://%s inspect -f '{{.State.Pid}}' ann) -n ip addr add 172.30.1.250/32 dev eth0", l.DockerSocket()))
		deadline := time.Now().Add(5 * time.Second)
		for r := (lab.Result{}); r.Server() != "wan2"; {
			if r = ann.Client().DialFrom(netip.MustParseAddr("172.30.1.250"), "tcp", l.ClientAddr("wan2", 4), 7000); time.Now().After(deadline) {
				t.Fatalf("a further address after the flood: %s", r)
			}
		}
	})
}

// TestOthersPortsStayOpen: virtual machines on a bridge of their own, which
// br_netfilter shows to iptables too, use whatever addresses and tags they like; and
// a container that is connected to a second network while it runs works on both.
func TestOthersPortsStayOpen(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		shut, second := six(l, 1), six(l, 2)
		ann, bob := wire(l, "ann", shut), l.RunContainer(lab.Spec{Name: "bob", Network: second})
		l.Bridge("virbr0", netip.MustParsePrefix("192.168.122.1/24"))
		vm1 := l.Plug("vm1", "virbr0", netip.MustParsePrefix("192.168.122.11/24")).Wire("eth0")
		vm2 := l.Plug("vm2", "virbr0", netip.MustParsePrefix("192.168.122.12/24")).Wire("eth0")
		agent := l.Agentd("network \"net1\" { between = \"deny\" }\n" + escaping)
		l.Docker("network", "connect", second, "ann")
		check := func(when string) {
			for _, tags := range [][]layers.EthernetType{nil, {layers.EthernetTypeDot1Q}, {layers.EthernetTypeQinQ, layers.EthernetTypeDot1Q}} {
				for _, from := range []string{"192.168.122.11", "10.9.9.9", ann.Addr(shut, 4).String()} {
					if len(tags) == 0 && from == ann.Addr(shut, 4).String() {
						continue // br_netfilter shows it to PREROUTING, which refuses a container's address from outside
					}
					f := forgery{from: netip.MustParseAddr(from), to: netip.MustParseAddr("192.168.122.12"), fromMAC: vm1.MAC(), toMAC: vm2.MAC(), tags: tags}
					if !arrives(f, vm1, vm2, fmt.Sprint(when, from, tags)) {
						t.Errorf("%s: a virtual machine's frame from %s with tags %v does not arrive", when, from, tags)
					}
				}
			}
			for _, family := range []int{4, 6} {
				must(t, l, lab.Ask{From: ann.Client(), Proto: "tcp", Addr: bob.Addr(second, family), Port: 80}, "bob")
				must(t, l, lab.Ask{From: bob.Client(), Proto: "udp", Addr: ann.Container.Addr(second, family), Port: 80}, "ann")
			}
		}
		check("well")
		agent.Kill()
		check("dead")
	})
}

// TestVMsKeepTheirNetwork: under between = "deny" and Docker's policy DROP in FORWARD, two
// virtual machines on a bridge of their own reach each other, as before. diff names the
// bridge that is switched, and remove switches it back.
func TestVMsKeepTheirNetwork(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine, NoForwarding: true})
		shut := six(l, 1)
		ann, bob := l.RunContainer(lab.Spec{Name: "ann", Network: shut}), l.RunContainer(lab.Spec{Name: "bob", Network: shut})
		bridge := "br-" + l.Docker("network", "inspect", "-f", "{{slice .Id 0 12}}", shut)
		bridge = strings.TrimSpace(bridge)
		if policy := l.Host("iptables", "-S", "FORWARD"); !strings.Contains(policy, "-P FORWARD DROP") {
			t.Fatalf("Docker's policy is not DROP: the test shows nothing\n%s", policy)
		}
		l.Host("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")
		l.Bridge("br0")
		vm1 := l.PlugVM("vm1", "br0", netip.MustParsePrefix("192.168.122.11/24"), netip.MustParsePrefix("2001:db8:77::11/64"))
		vm2 := l.PlugVM("vm2", "br0", netip.MustParsePrefix("192.168.122.12/24"), netip.MustParsePrefix("2001:db8:77::12/64"))
		vm2.Serve("vm2", "tcp:80,udp:53")
		check := func(when, calls string, isolated bool) {
			t.Helper()
			for _, a := range []string{"192.168.122.12", "2001:db8:77::12"} {
				must(t, l, lab.Ask{From: vm1, Proto: "tcp", Addr: netip.MustParseAddr(a), Port: 80}, "vm2")
				must(t, l, lab.Ask{From: vm1, Proto: "udp", Addr: netip.MustParseAddr(a), Port: 53}, "vm2")
			}
			if r := ann.Client().Dial("tcp", bob.Addr(shut, 4), 80); r.OK == isolated {
				t.Errorf("%s: containers of the network: %s", when, r)
			}
			if now := l.Host("ip", "-d", "link", "show", bridge); !strings.Contains(now, "nf_call_iptables "+calls+" nf_call_ip6tables "+calls) {
				t.Errorf("%s: the bridge is %s", when, now)
			}
			if now := l.Host("ip", "-d", "link", "show", "br0"); !strings.Contains(now, "nf_call_iptables 0 nf_call_ip6tables 0") {
				t.Errorf("%s: the virtual machines' bridge is %s", when, now)
			}
		}
		check("before", "0", false)
		l.WriteConfig("defaults {\n  between = \"deny\"\n}\n")
		if out, _, code := l.Agentctl("diff"); code != 1 || !strings.Contains(out, "bridge "+bridge+": nf_call_iptables and nf_call_ip6tables would be switched on") || strings.Contains(out, "bridge br0:") {
			t.Errorf("diff, code %d:\n%s", code, out)
		}
		check("after diff", "0", false)
		agent := l.LaunchAgentd()
		agent.WaitState("enforcing")
		check("in force", "1", true)
		if out, _, code := l.Agentctl("diff"); code != 0 {
			t.Errorf("diff while in force, code %d:\n%s", code, out)
		}
		agent.Stop()
		if out, errs, code := l.Agentctl("remove"); code != 0 {
			t.Errorf("remove, code %d: %s%s", code, out, errs)
		}
		check("removed", "0", false)
	})
}
