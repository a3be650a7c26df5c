package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// quarantineFile opens everything that defaults can open: only the quarantine closes.
const quarantineFile = `defaults {
  published = "allow"
  direct    = "allow"
}
containers "ci" {
  names = ["ci-*"]
}
quarantine "escape" {
  on     = ["container.docker-socket"]
  except = [containers.ci]
}
`

// jail is a host with a quarantine block.
type jail struct {
	*lab.Lab
	t      *testing.T
	agent  *lab.Agent
	socket string // a volume that a container must not have
}

// at is a container's address on the network shop.
func at(family, host int) netip.Addr {
	if family == 6 {
		return netip.MustParseAddr(fmt.Sprintf("2001:db8:130::%x", host))
	}
	return netip.AddrFrom4([4]byte{172, 30, 30, byte(host)})
}

// run runs a container at a fixed address.
func (j jail) run(name string, host int, bad bool, publish []string, command ...string) *lab.Container {
	args := []string{"--ip", at(4, host).String(), "--ip6", at(6, host).String()}
	if bad {
		args = append(args, "--volume", j.socket)
	}
	return j.RunContainer(lab.Spec{Name: name, Network: "shop", Publish: publish, Args: args, Command: command})
}

// TestQuarantine starts a container that a quarantine block closes under floods in both
// directions: not one packet of them may arrive. What the block does not speak of goes on.
func TestQuarantine(t *testing.T) {
	for _, engine := range outer {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			// The oldest engine on the one variant of iptables, the newest on the other.
			l := lab.New(t, lab.Options{Engine: engine, Variant: map[bool]string{true: "legacy", false: "nft"}[engine == outer[0]]})
			j := jail{l, t, l.Agentd(quarantineFile), l.DockerSocket() + ":/docker.sock"}
			l.Docker("network", "create", "--ipv6", "--subnet", "172.30.30.0/24", "--subnet", "2001:db8:130::/64", "shop")
			j.run("good", 10, false, []string{"8080:80"})
			j.reach("wan", l.HostAddr("eth0", 4), 8080, true)
			j.flooded()
			j.saysSo()
			j.released()
		})
	}
}

// reach waits until the client reaches the port, or does not.
func (j jail) reach(from string, to netip.Addr, port uint16, want bool) {
	j.t.Helper()
	var r lab.Result
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if r = j.Client(from).Dial("tcp", to, port); r.OK == want {
			return
		}
	}
	j.t.Errorf("%s to %s: %s, want it to pass: %t", from, netip.AddrPortFrom(to, port), r, want)
}

// flooded starts containers with the finding under floods.
func (j jail) flooded() {
	wan2 := j.Client("wan2")
	sink := j.Client("wan")
	sink.Serve("sink", "tcp:7000,udp:7000")
	many := lab.FloodOptions{For: time.Minute, Count: 1000000, Workers: 8}
	floods := map[string]*lab.Flood{}
	for _, family := range []int{4, 6} {
		for _, proto := range []string{"tcp", "udp"} {
			// The published port, by DNAT or docker-proxy, and straight to the address.
			floods[fmt.Sprint(proto, family)] = wan2.Flood(proto, j.HostAddr("eth0", family), 8081, many)
		}
	}
	neighbour := j.run("neighbour", 11, false, nil, flooding("tcp", at(4, 66), 80)...)
	neighbour6 := j.run("neighbour6", 12, false, nil, flooding("udp", at(6, 66), 80)...)
	j.run("bad", 66, true, []string{"8081:80", "8081:80/udp"})
	var senders []*lab.Container
	for proto, family := range map[string]int{"tcp": 4, "udp": 6} {
		senders = append(senders, j.run("bad-"+proto, 70+family, true, nil, flooding(proto, j.ClientAddr("wan", family), 7000)...))
	}
	// To another container, to a published port of one, and to the host itself.
	j.Client("host").Serve("host", "tcp:7001")
	for i, to := range []netip.AddrPort{netip.AddrPortFrom(at(4, 10), 80), netip.AddrPortFrom(j.HostAddr("eth0", 4), 8080), netip.AddrPortFrom(netip.MustParseAddr("172.30.30.1"), 7001)} {
		senders = append(senders, j.run(fmt.Sprint("bad-in", i), 80+i, true, nil, flooding("tcp", to.Addr(), to.Port())...))
	}
	j.run("ci-1", 90, true, []string{"8090:80"})
	time.Sleep(2 * time.Second)
	for name, f := range floods {
		if r := f.Stop(); r.OK > 0 {
			j.t.Errorf("flood %s to the published port: %d of %d passed, the first at %v", name, r.OK, r.Tried, r.First[0].At)
		}
	}
	for _, c := range append(senders, neighbour, neighbour6) {
		if ok, tried := j.tally(c); ok > 0 || tried == 0 {
			j.t.Errorf("container %s: %d of %d passed", c.Name, ok, tried)
		}
	}
	j.reach("wan", j.HostAddr("eth0", 4), 8080, true)
	j.reach("wan", j.HostAddr("eth0", 4), 8090, true)
	// What the host dials is its own business.
	for _, family := range []int{4, 6} {
		j.reach("host", at(family, 66), 80, true)
	}
}

// flooding is a responder's command that opens connections for a time.
func flooding(proto string, to netip.Addr, port uint16) []string {
	return []string{"flood", "-proto", proto, "-for", "60s", "-count", "1000000", "-workers", "4", "-timeout", "50ms", netip.AddrPortFrom(to, port).String()}
}

// tally stops a container that floods, and returns how many connections it opened.
func (j jail) tally(c *lab.Container) (ok, tried int) {
	j.t.Helper()
	j.Docker("stop", "--time", "5", c.Name)
	text := j.Docker("logs", c.Name)
	var r lab.FloodResult
	if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "flooding\n")), &r); err != nil {
		j.t.Fatalf("container %s: %v in\n%s", c.Name, err, text)
	}
	return r.OK, r.Tried
}

// saysSo expects the commands to name the block.
func (j jail) saysSo() {
	for args, want := range map[string]string{
		"status": "quarantine.escape: container bad is in quarantine because of container.docker-socket",
		"check":  "quarantine.escape: container bad is in quarantine because of container.docker-socket",
		"explain --from " + j.ClientAddr("wan", 4).String() + " --to " + j.HostAddr("eth0", 4).String() + ":8081": "quarantine.escape",
		"explain --from-container bad --to " + j.ClientAddr("wan", 4).String() + ":7000":                          "quarantine.escape",
		"denied --no-follow": "quarantine.escape",
		"diff":               "",
	} {
		words := strings.Fields(args)
		if stdout, stderr, code := j.Agentctl(words...); !strings.Contains(stdout+stderr, want) || args == "diff" && code != 0 {
			j.t.Errorf("agentctl %s = %d, want %q in\n%s%s", args, code, want, stdout, stderr)
		}
	}
}

// released lets the container go, and expects a new one of its name to be closed.
func (j jail) released() {
	published := j.HostAddr("eth0", 4)
	j.reach("wan", published, 8081, false)
	if _, errs, code := j.Agentctl("release", "nobody"); code != 2 {
		j.t.Errorf("releasing a container that is not there: exit code %d: %s", code, errs)
	}
	if out, errs, code := j.Agentctl("release", "bad"); code != 0 {
		j.t.Errorf("agentctl release bad = %d\n%s%s", code, out, errs)
	}
	j.reach("wan", published, 8081, true)
	j.agent.Stop()
	j.agent = j.Lab.LaunchAgentd()
	j.agent.WaitState("enforcing")
	j.reach("wan", published, 8081, true)
	j.Docker("rm", "--force", "bad")
	j.run("bad", 66, true, []string{"8081:80"})
	j.reach("wan", published, 8081, false)
}
