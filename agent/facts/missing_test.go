package facts

import (
	"net/netip"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/netinfo/docker"
)

// elsewhereFacts are an engine's with one network, and a container on it.
func elsewhereFacts(podman bool) docker.Facts {
	return docker.Facts{Engine: netinfo.Engine{Connected: true, Known: true, Podman: podman},
		Networks: []netinfo.Network{{ID: "n1", Name: "podman", Driver: "bridge", Bridge: "br-2f259bab93aa",
			Subnets: []netinfo.Prefix{netip.MustParsePrefix("10.88.0.0/16")}, Gateways: []netinfo.Addr{addr("10.88.0.1")}}},
		Containers: []netinfo.Container{{ID: "c1", Name: "web", State: "running",
			Endpoints: []netinfo.Endpoint{{NetworkID: "n1", Addrs: []netinfo.Addr{addr("10.88.0.2")}}}}}}
}

func TestBridgeThatIsNotHereIsMissing(t *testing.T) {
	var m memory
	now := time.Now()
	nic := netinfo.Link{Index: 2, Name: "eth0"}
	bridge := netinfo.Link{Index: 3, Name: "br-2f259bab93aa", Kind: "bridge"}
	missing := func(at time.Duration, links ...netinfo.Link) bool {
		s, ask := m.assemble(elsewhereFacts(false), links, absence{}, now.Add(at))
		if !s.Networks[0].Missing && !bridgeCalled(links, bridge.Name) && ask == 0 {
			t.Error("nobody looks again")
		}
		return s.Networks[0].Missing
	}
	if missing(0, nic) {
		t.Error("missing at once: Docker may just be making it")
	}
	if !missing(missingAfter, nic) {
		t.Error("not missing after some seconds")
	}
	if missing(missingAfter+time.Second, nic, bridge) || missing(missingAfter+2*time.Second, nic) {
		t.Error("missing though it came back")
	}
	m = memory{atOnce: true}
	if !missing(0, nic) {
		t.Error("not missing for a command that looks once")
	}
}

// Podman does not name a network's bridge in Docker's API, and makes it with the first
// container.
func TestPodmansBridgeIsFoundByItsGateway(t *testing.T) {
	m := memory{atOnce: true}
	podman0 := netinfo.Link{Index: 3, Name: "podman0", Kind: "bridge", Addrs: []netinfo.Prefix{netip.MustParsePrefix("10.88.0.1/16")}}
	s, _ := m.assemble(elsewhereFacts(true), []netinfo.Link{podman0}, absence{}, time.Now())
	if n := s.Networks[0]; n.Bridge != "podman0" || n.Missing {
		t.Errorf("the network is %+v, want podman0 as its bridge", n)
	}
	if s, _ := m.assemble(elsewhereFacts(false), []netinfo.Link{podman0}, absence{}, time.Now()); s.Networks[0].Bridge == "podman0" {
		t.Error("a bridge of another program is taken for Docker's by its address")
	}
	idle := elsewhereFacts(true)
	idle.Containers = nil
	if s, _ := m.assemble(idle, nil, absence{}, time.Now()); s.Networks[0].Missing {
		t.Error("the bridge of an idle network of Podman's is missing")
	}
	if s, _ := m.assemble(elsewhereFacts(true), nil, absence{}, time.Now()); !s.Networks[0].Missing {
		t.Error("the bridge of Podman's container is not missing, though it is not here")
	}
}

func TestEngineOfAnotherHost(t *testing.T) {
	c := &Collector{linksRead: linksRead{links: []netinfo.Link{{Name: "eth0", Addrs: []netinfo.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}}}}
	networks := elsewhereFacts(false).Networks
	for host, elsewhere := range map[string]bool{
		"unix:///var/run/docker.sock": false, "tcp://127.0.0.1:2375": false, "tcp://[::1]:2375": false, "tcp://192.0.2.1:2375": false,
		"tcp://engine.example:2375": false, "tcp://10.88.0.7:2375": false, "tcp://192.0.2.2:2376": true, "tcp://[2001:db8::7]:2376": true,
	} {
		c.remote = remoteHost(host)
		if why := c.elsewhere(networks); (why != "") != elsewhere {
			t.Errorf("%s: elsewhere is %q, want %v", host, why, elsewhere)
		}
	}
	c.sockets.elsewhere = 4711
	if c.elsewhere(networks) == "" {
		t.Error("an engine whose process is in another network namespace counts as here")
	}
}
