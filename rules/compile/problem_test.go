package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/policy"

	"github.com/google/go-cmp/cmp"
)

// What a container of the host's own network sends is not forwarded: whoever
// names one as a sender is told that the block does not hold it. To name it as
// what outside may reach is fine.
func TestHostNetworkSendersAreNotCovered(t *testing.T) {
	sels := []*policy.Selector{{Name: "all", Names: []string{"*"}}}
	origin := func(name string, line int) rules.Origin {
		return rules.Origin{Subject: rules.ParseSubject(name), File: "agent.hcl", Line: line}
	}
	p := policy.Policy{Containers: sels,
		Published: []*policy.Published{{Name: "p", To: sels, Origin: origin("published.p", 1)}},
		Between:   []*policy.Between{{Name: "b", From: sels, To: sels, Origin: origin("between.b", 2)}},
		Egress:    []*policy.Egress{{Name: "e", From: sels, Origin: origin("egress.e", 3)}},
		Host:      []*policy.Host{{Name: "h", From: sels, Origin: origin("host.h", 4)}},
	}
	s := netinfo.Snapshot{Engine: netinfo.Engine{Known: true}, Containers: []netinfo.Container{
		{ID: "1", Name: "hn", State: "running", HostNetwork: true}, {ID: "2", Name: "web", State: "running"}}}
	var got []string
	_, problems := compile.Compile(p, s)
	for _, problem := range problems {
		if problem.Code == "not_covered" {
			at, _, _ := strings.Cut(problem.Message, ": what")
			got = append(got, at)
		}
	}
	want := []string{"between.b: container hn is on the host's own network", "egress.e: container hn is on the host's own network",
		"host.h: container hn is on the host's own network"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestNICInABridge: a NIC that is a port of a network's bridge is named, whatever
// kind it is; containers' veths and other programs' bridges are not.
func TestNICInABridge(t *testing.T) {
	s := bridged()
	codes := func() (found []string) {
		_, problems := compile.Compile(policy.Policy{Defaults: allAllowed()}, s)
		for _, p := range problems {
			if p.Code == "not_covered" && strings.Contains(p.Message, "br-aaaaaaaaaaaa") {
				found = append(found, p.Message)
			}
		}
		return found
	}
	for i := range s.Links {
		if s.Links[i].Master == 3 {
			s.Links[i].Kind = "veth"
			s.Links[i].Name = fmt.Sprintf("veth%07x", i) // as Docker names them
		}
	}
	if got := codes(); len(got) > 0 {
		t.Errorf("without a NIC: %q", got)
	}
	for _, kind := range []string{"", "vlan", "bond", "tun", "vxlan", "veth"} {
		s.Links[0].Master, s.Links[0].Kind = 3, kind
		if got := codes(); len(got) != 1 || !strings.Contains(got[0], "network open") || !strings.Contains(got[0], "eth0") {
			t.Errorf("a port of kind %q: %q, want one that names network and NIC", kind, got)
		}
	}
}

// TestInterfacesNameAPort: a block that names a port of a bridge or bond never
// matches, and the warning names the master.
func TestInterfacesNameAPort(t *testing.T) {
	s := netinfo.Snapshot{Links: []netinfo.Link{{Index: 1, Name: "eth0"}, {Index: 2, Name: "eth1", Master: 4}, {Index: 3, Name: "ens2", Master: 5},
		{Index: 4, Name: "br0", Kind: "bridge"}, {Index: 5, Name: "bond0", Kind: "bond"}, {Index: 6, Name: "eth9", Master: 7}, {Index: 7, Name: "red", Kind: "vrf"}}}
	for name, want := range map[string]string{"eth1": "name br0 instead", "ens*": "name bond0 instead", "eth*": "", "eth0": "", "br0": "", "eth9": "", "wg0": ""} {
		p := policy.Policy{Defaults: allAllowed(), Interfaces: []*policy.Interfaces{{Name: "lan", Names: []string{name}}}}
		said := ""
		_, problems := compile.Compile(p, s)
		for _, problem := range problems {
			if problem.Code == "nic_is_port" {
				said = problem.Message
			}
		}
		if want == "" && said != "" || !strings.Contains(said, want) {
			t.Errorf("%s: %q, want %q", name, said, want)
		}
	}
}
