package denied_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dockwall/agent/denied"
	"dockwall/test/lab"
)

const labPolicy = `
containers "web" {
  names = ["web"]
}
published "web" {
  from = ["192.0.2.20"]
}
egress "mirror" {
  from  = [containers.web]
  to    = ["192.0.2.10"]
  ports = ["7000/tcp"]
}
`

// past asks the agent for what it refused.
func past(t *testing.T, l *lab.Lab, args ...string) []denied.Packet {
	t.Helper()
	stdout, stderr, code := l.Agentctl(append([]string{"denied", "--json", "--no-follow", "-n", "1000"}, args...)...)
	if code != 0 {
		t.Fatalf("agentctl denied: exit code %d: %s%s", code, stdout, stderr)
	}
	var all []denied.Packet
	for dec := json.NewDecoder(strings.NewReader(stdout)); dec.More(); {
		var p denied.Packet
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// refused waits for a packet of this policy.
func refused(t *testing.T, l *lab.Lab, policy string, args ...string) denied.Packet {
	t.Helper()
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, p := range past(t, l, args...) {
			if p.Policy == policy {
				return p
			}
		}
	}
	t.Fatalf("nothing refused by %s; seen: %+v", policy, past(t, l))
	panic("unreachable")
}

// A real Docker host: who is refused has a name, and who was held for being
// unknown is known by his first packet.
func TestOnADockerHost(t *testing.T) {
	l := lab.New(t, lab.Options{})
	web := l.RunContainer(lab.Spec{Name: "web", Publish: []string{"8080:80"}})
	agent := l.Agentd(labPolicy)
	wan, inside := l.Client("wan"), web.Client()
	wan.Serve("mirror", "tcp:7000,tcp:7001")
	mirror := l.ClientAddr("wan", 4)

	if r := wan.Dial("tcp", l.HostAddr("eth0", 4), 8080); r.OK {
		t.Fatalf("wan reaches what it may not: %s", r)
	}
	p := refused(t, l, "defaults.published", "--container", "web")
	if p.NIC != "eth0" || p.Out != "docker0" || p.Source != mirror || p.Container != "web" || p.Port != 80 || p.Protocol != "tcp" ||
		p.SourceMAC == "" || time.Since(p.Time).Abs() > time.Minute {
		t.Errorf("the packet from wan is told as %+v", p)
	}
	if r := inside.Dial("tcp", mirror, 7001); r.OK {
		t.Fatalf("the container reaches what it may not: %s", r)
	}
	p = refused(t, l, "egress.mirror", "--container", "web", "--since", "1m")
	if p.SourceContainer != "web" || p.NIC != "docker0" || p.Port != 7001 || p.Position != "agent.hcl:8" {
		t.Errorf("the packet from the container is told as %+v", p)
	}
	heldIsKnown(t, l, web, mirror)
	if t.Failed() {
		t.Logf("agentd:\n%s", agent.Log())
	}
}

// heldIsKnown gives the container a second address. It has asked for its
// gateway's MAC already, so nothing but the packets tell of it.
func heldIsKnown(t *testing.T, l *lab.Lab, web *lab.Container, mirror netip.Addr) {
	t.Helper()
	inside := web.Client()
	if r := inside.Dial("tcp", mirror, 7000); !r.OK {
		t.Fatalf("the container does not reach its mirror: %s", r)
	}
	second := netip.MustParseAddr("172.17.0.99")
	pid := strings.TrimSpace(l.Docker("inspect", "--format", "{{.State.Pid}}", web.ID))
	l.Host("nsenter", "--target", pid, "--net", "ip", "addr", "add", second.String()+"/32", "dev", "eth0")
	began := time.Now()
	first := inside.DialFrom(second, "tcp", mirror, 7000)
	if p := refused(t, l, "hold"); p.Source != second {
		t.Errorf("who was held is told as %+v", p)
	}
	if !first.OK {
		if r := inside.DialFrom(second, "tcp", mirror, 7000); !r.OK {
			t.Errorf("the second address is not known after %v: %s", time.Since(began), r)
		}
	}
	// It is the container's, so the container's policy holds for it.
	if r := inside.DialFrom(second, "tcp", mirror, 7001); r.OK {
		t.Errorf("the second address reaches what the container may not: %s", r)
	}
	if p := refused(t, l, "egress.mirror", "--since", time.Since(began).String()); p.SourceContainer != "web" {
		t.Errorf("the packet from the second address is told as %+v", p)
	}
}
