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
	onEngines(t, outer, func(t *testing.T, engine string) {
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
