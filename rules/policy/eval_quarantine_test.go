package policy

import (
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
)

// jailed is a host with containers on one network: one in quarantine, one that is free,
// one that shares the network of a third, one that was not judged yet, and one on the
// host's network.
func jailed() (Policy, netinfo.Snapshot) {
	a := netip.MustParseAddr
	at := func(id, addr string, findings ...string) netinfo.Container {
		return netinfo.Container{ID: id, Name: id, State: "running", Judged: true, Findings: findings,
			Endpoints: []netinfo.Endpoint{{NetworkID: "n", Addrs: []netip.Addr{a(addr)}}}}
	}
	bad, young := at("bad", "172.18.0.2", "container.privileged"), at("young", "172.18.0.5")
	bad.Ports = []netinfo.PublishedPort{{HostAddr: a("0.0.0.0"), HostPort: 8080, HostPortEnd: 8080, Proto: netinfo.TCP, ContainerPort: 80}}
	young.Judged = false
	spared, released := at("ci", "172.18.0.6", "container.privileged"), at("freed", "172.18.0.7", "container.privileged")
	released.Released = true
	p := Policy{Defaults: Defaults{Published: Allow, Direct: Allow, Between: Allow, Egress: Allow, Host: Allow},
		Quarantines: []*Quarantine{{Name: "q", On: []string{"container.privileged"}, Except: []*Selector{{Name: "ci", Names: []string{"ci"}}},
			Origin: rules.Origin{Subject: rules.Subject{Kind: rules.KindQuarantine, Name: "q"}}}}}
	return p, netinfo.Snapshot{
		Links: []netinfo.Link{{Index: 1, Name: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}},
			{Index: 2, Name: "br0", Kind: "bridge", Addrs: []netip.Prefix{netip.MustParsePrefix("172.18.0.1/24")}}},
		Networks: []netinfo.Network{{ID: "n", Name: "n", Driver: "bridge", Bridge: "br0", Subnets: []netip.Prefix{netip.MustParsePrefix("172.18.0.0/24")}, Gateways: []netip.Addr{a("172.18.0.1")}}},
		Containers: []netinfo.Container{bad, at("good", "172.18.0.3"), at("owner", "172.18.0.4"),
			{ID: "guest", Name: "guest", State: "running", SharesWith: "owner", Judged: true, Findings: []string{"container.privileged"}}, young, spared, released,
			{ID: "host", Name: "host", State: "running", HostNetwork: true, Judged: true, Findings: []string{"container.privileged"},
				Ports: []netinfo.PublishedPort{{HostPort: 9000, HostPortEnd: 9000, Proto: netinfo.TCP, ContainerPort: 9000}}}},
		Routes: []netinfo.Route{{Prefix: netip.MustParsePrefix("10.8.0.0/24"), Link: "br0", Gateway: a("172.18.0.2")}},
	}
}

func TestQuarantine(t *testing.T) {
	p, s := jailed()
	const outer, out = "198.51.100.7", "eth0"
	for name, c := range map[string]struct {
		nic, from, to string
		port          uint16
		dnat          string
		by            string // empty: it passes
	}{
		"out":                          {"br0", "172.18.0.2", outer, 443, "", "quarantine"},
		"in":                           {out, outer, "172.18.0.2", 80, "", "quarantine"},
		"to its published port":        {out, outer, "192.0.2.1", 8080, "", "quarantine"},
		"by DNAT":                      {out, outer, "192.0.2.1", 8080, "172.18.0.2:80", "quarantine"},
		"to a neighbour":               {"br0", "172.18.0.2", "172.18.0.3", 80, "", "quarantine"},
		"from a neighbour":             {"br0", "172.18.0.3", "172.18.0.2", 80, "", "quarantine"},
		"to the host":                  {"br0", "172.18.0.2", "192.0.2.1", 22, "", "quarantine"},
		"behind it":                    {out, outer, "10.8.0.7", 80, "", "quarantine"},
		"from behind it":               {"br0", "10.8.0.7", outer, 80, "", "quarantine"},
		"the host's own":               {"", "192.0.2.1", "172.18.0.2", 80, "", ""},
		"a container that lends":       {"br0", "172.18.0.4", outer, 443, "", "quarantine"},
		"a free one, out":              {"br0", "172.18.0.3", outer, 443, "", ""},
		"a free one, in":               {out, outer, "172.18.0.3", 80, "", ""},
		"one that is spared":           {"br0", "172.18.0.6", outer, 443, "", ""},
		"one that was released":        {"br0", "172.18.0.7", outer, 443, "", ""},
		"one that is not judged, out":  {"br0", "172.18.0.5", outer, 443, "", "held"},
		"one that is not judged, in":   {out, outer, "172.18.0.5", 80, "", "held"},
		"an unknown address, out":      {"br0", "172.18.0.99", outer, 443, "", "held"},
		"an unknown address, in":       {out, outer, "172.18.0.99", 80, "", "held"},
		"to a port on the host's net":  {out, outer, "192.0.2.1", 9000, "", "quarantine"},
		"to another port of the host":  {out, outer, "192.0.2.1", 22, "", ""},
		"a free one to the host's net": {"br0", "172.18.0.3", "192.0.2.1", 9000, "", "quarantine"},
	} {
		q := Question{NIC: c.nic, Source: netip.MustParseAddr(c.from), Dest: netip.MustParseAddr(c.to), Port: c.port, Proto: netinfo.TCP}
		if c.dnat != "" {
			q.DNAT = netip.MustParseAddrPort(c.dnat)
		}
		if c.nic == "br0" && c.to == outer {
			q.Out = out
		}
		got := Eval(p, s, q)
		if got.Allow != (c.by == "") || c.by != "" && string(got.Origin.Subject.Kind) != c.by {
			t.Errorf("%s: %+v, want it refused by %q", name, got, c.by)
		}
		if free := (Policy{Defaults: p.Defaults}); !Eval(free, s, q).Allow {
			t.Errorf("%s: it is refused without the block as well", name)
		}
	}
}
