package picture_test

import (
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/picture"
	"dockwall/rules/policy"
)

// What a direct block opens is a port of the container that the block names, with the
// sources that reach it; the container's other ports and other containers have none.
func TestDirectHasLines(t *testing.T) {
	s, p := crowd(3, 20)
	office := p.Addresses[0]
	p.Published, p.Containers = nil, nil
	p.Direct = []*policy.Direct{{Name: "site", To: []*policy.Selector{{Name: "one", Names: []string{"app-1"}}}, From: policy.AddressList{Refs: []*policy.Addresses{office}},
		Ports:  []policy.Ports{{Proto: netinfo.TCP, Lo: 80, Hi: 80}, {Proto: netinfo.ICMP}, {Proto: netinfo.ICMPv6}},
		Origin: rules.Origin{Subject: rules.Subject{Kind: rules.KindDirect, Name: "site"}, File: "agent.hcl", Line: 9}}}
	rs, _ := compile.Compile(p, s)
	pic := picture.Of(p, s, rs)
	for _, c := range pic.Containers {
		var straight []string
		for _, port := range c.Ports {
			if !port.Straight {
				continue
			}
			straight = append(straight, port.Host)
			for _, a := range port.Access {
				if a.From != "addresses.office" || a.Policy != "direct.site" {
					t.Errorf("%s %s: access of %s by %s", c.Name, port.Host, a.From, a.Policy)
				}
			}
			if len(port.Access) == 0 || port.State != picture.Open {
				t.Errorf("%s %s is %s to %v", c.Name, port.Host, port.State, port.Access)
			}
		}
		if want := map[bool]int{true: 2}[c.Name == "app-1"]; len(straight) != want {
			t.Errorf("%s: straight ports %q, want %d", c.Name, straight, want)
		}
	}
}
