package e2e_test

import (
	"fmt"
	"net/netip"
	"testing"

	"dockwall/test/lab"
)

const webForWan = `published "web" { from = ["192.0.2.10", "2001:db8:1::10"] }
`

// TestUplinkInANewBridge puts a NIC into a bridge that the engine was not asked about,
// and renames one so that it looks like a bridge of Docker's: packets from it are a
// stranger's. The host's own services are as open as before. Which engine runs
// matters little: each absence has some.
func TestUplinkInANewBridge(t *testing.T) {
	engines := map[string][]string{"docker hangs": outer, "frozen": wanted[1:2], "killed": wanted[:1]}
	for name, away := range absences("docker hangs", "frozen", "killed") {
		t.Run(name, func(t *testing.T) {
			onEngines(t, engines[name], func(t *testing.T, engine string) {
				l := lab.New(t, lab.Options{Engine: engine})
				net := six(l, 1)
				l.RunContainer(lab.Spec{Name: "web", Network: net, Publish: []string{"8080:80", "8081:80/udp"}})
				l.RunContainer(lab.Spec{Name: "four", Publish: []string{"8082:80"}})
				for i, nic := range []string{"eth2", "eth3"} {
					l.AddNIC(nic, "wan2", fmt.Sprintf("up%d", i))
				}
				l.Client("host").Serve("ssh", "tcp:22")
				a := l.Agentd("defaults { host = \"deny\" }\n" + webForWan)
				away.leave(l, a)
				l.Host("sh", "-ec", `ip link add br0 type bridge forward_delay 0; ip link set eth2 master br0; ip link set br0 up
					ip addr add 198.18.5.1/24 dev br0; ip addr add 2001:db8:55::1/64 dev br0 nodad
					ip link set eth3 down; ip link set eth3 name br-wan; ip link set br-wan up
					ip addr add 198.18.6.1/24 dev br-wan; ip addr add 2001:db8:66::1/64 dev br-wan nodad`)
				l.Sh("wan2", `ip addr add 198.18.5.10/24 dev up0; ip addr add 2001:db8:55::10/64 dev up0 nodad
					ip addr add 198.18.6.10/24 dev up1; ip addr add 2001:db8:66::10/64 dev up1 nodad`)
				wan2 := l.Client("wan2")
				var floods []*lab.Flood
				for _, host := range []string{"198.18.5.1", "2001:db8:55::1", "198.18.6.1", "2001:db8:66::1"} {
					at := netip.MustParseAddr(host)
					floods = append(floods, wan2.Flood("tcp", at, 8080, gentleOnes), wan2.Flood("tcp", at, 8082, gentleOnes))
					for range 3 {
						if r := wan2.Dial("udp", at, 8081); r.OK {
							t.Errorf("by a new uplink a stranger reaches a published port: %s", r)
						}
					}
					if name == "docker hangs" {
						must(t, l, lab.Ask{From: wan2, Proto: "tcp", Addr: at, Port: 22}, "ssh")
					}
				}
				away.back(l, a)
				must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "web")
				through(t, 0, floods...)
			})
		})
	}
}

// TestNetworkNamedLikeANIC makes networks whose bridges have names as NICs have while
// the agent is away, under floods by a client that no policy names.
func TestNetworkNamedLikeANIC(t *testing.T) {
	names := []string{"team-a", "vlan100", "www0", "en-shop"}
	onEngines(t, outer, func(t *testing.T, engine string) {
		for name, away := range absences("frozen", "killed") {
			t.Run(name, func(t *testing.T) {
				l := lab.New(t, lab.Options{Engine: engine})
				a := l.Agentd(onlyWanToFriend)
				away.leave(l, a)
				var floods []*lab.Flood
				for i := range names {
					for _, family := range []int{4, 6} {
						floods = append(floods, l.Client("wan2").Flood("tcp", l.HostAddr("eth0", family), uint16(8100+i), gentleOnes))
					}
				}
				for i, bridge := range names {
					l.Docker("network", "create", "--opt", "com.docker.network.bridge.name="+bridge, "net-"+bridge)
					l.RunContainer(lab.Spec{Name: "friend-" + bridge, Network: "net-" + bridge, Publish: []string{fmt.Sprintf("%d:80", 8100+i)}})
				}
				away.back(l, a)
				for i, bridge := range names {
					for _, family := range []int{4, 6} {
						must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", family), Port: uint16(8100 + i)}, "friend-"+bridge)
					}
				}
				through(t, 0, floods...)
			})
		}
	})
}

// TestBridgeThatNoRuleCanName holds a network to its defaults whose bridge has a name
// that iptables reads as a pattern.
func TestBridgeThatNoRuleCanName(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.Client("host").Serve("host", "tcp:7000")
		l.Client("wan").Serve("wan", "tcp:7000")
		l.Docker("network", "create", "--opt", "com.docker.network.bridge.name=iso+", "iso")
		shut := l.RunContainer(lab.Spec{Name: "shut", Network: "iso", Publish: []string{"8080:80"}}).Client()
		open := l.RunContainer(lab.Spec{Name: "open"}).Client()
		gateway := netip.MustParseAddr("172.17.0.1")
		for _, c := range []*lab.Client{shut, open} {
			must(t, l, lab.Ask{From: c, Proto: "tcp", Addr: l.ClientAddr("wan", 4), Port: 7000}, "wan")
		}
		l.Agentd(`network "iso" {
			host   = "deny"
			egress = "deny"
		}
		` + webForWan)
		if r := shut.Dial("tcp", l.ClientAddr("wan", 4), 7000); r.OK {
			t.Errorf("egress of a network with an odd name: %s", r)
		}
		if r := shut.Dial("tcp", l.HostAddr("eth0", 4), 7000); r.OK {
			t.Errorf("the host's services from a network with an odd name: %s", r)
		}
		must(t, l, lab.Ask{From: open, Proto: "tcp", Addr: l.ClientAddr("wan", 4), Port: 7000}, "wan")
		must(t, l, lab.Ask{From: open, Proto: "tcp", Addr: gateway, Port: 7000}, "host")
		must(t, l, lab.Ask{From: l.Client("wan"), Proto: "tcp", Addr: l.HostAddr("eth0", 4), Port: 8080}, "shut")
		if r := l.Client("wan2").Dial("tcp", l.HostAddr("eth0", 4), 8080); r.OK {
			t.Errorf("a stranger reaches a network with an odd name: %s", r)
		}
	})
}
