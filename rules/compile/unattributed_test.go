package compile

import (
	"net/netip"
	"strings"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules/finding"
	"dockwall/rules/policy"
)

// TestUnattributed names ports that a container on the host's network may have.
func TestUnattributed(t *testing.T) {
	any4, lo := netip.MustParseAddr("0.0.0.0"), netip.MustParseAddr("127.0.0.1")
	host := netinfo.Container{ID: "1", Name: "node", State: "running", HostNetwork: true}
	stopped := host
	stopped.State = "exited"
	known := netinfo.Listener{Addr: any4, Proto: netinfo.TCP, Port: 22}
	unknown, loopback := netinfo.Listener{Addr: any4, Proto: netinfo.TCP, Port: 8123, Unattributed: true}, netinfo.Listener{Addr: lo, Proto: netinfo.TCP, Port: 9000, Unattributed: true}
	many := []netinfo.Listener{known}
	for port := range uint16(7) {
		many = append(many, netinfo.Listener{Addr: any4, Proto: netinfo.UDP, Port: 7000 + port, Unattributed: true})
	}
	for name, c := range map[string]struct {
		s    netinfo.Snapshot
		want string
	}{
		"a port that is not known":   {netinfo.Snapshot{Containers: []netinfo.Container{host}, Listeners: []netinfo.Listener{known, unknown}}, "on the host's network: node. Whether a container or the host itself listens on 8123/tcp is"},
		"in both families":           {netinfo.Snapshot{Containers: []netinfo.Container{host}, Listeners: []netinfo.Listener{unknown, {Addr: netip.IPv6Unspecified(), Proto: netinfo.TCP, Port: 8123, Unattributed: true}}}, "listens on 8123/tcp is"},
		"many ports":                 {netinfo.Snapshot{Containers: []netinfo.Container{host}, Listeners: many}, "7003/udp, 7004/udp and 2 more is"},
		"all ports are known":        {netinfo.Snapshot{Containers: []netinfo.Container{host}, Listeners: []netinfo.Listener{known}}, ""},
		"loopback alone":             {netinfo.Snapshot{Containers: []netinfo.Container{host}, Listeners: []netinfo.Listener{loopback}}, ""},
		"the container has stopped":  {netinfo.Snapshot{Containers: []netinfo.Container{stopped}, Listeners: []netinfo.Listener{unknown}}, ""},
		"no container on the host's": {netinfo.Snapshot{Listeners: []netinfo.Listener{unknown}}, ""},
	} {
		var got []finding.Finding
		c.s.Engine.Known = true
		_, ps := Compile(policy.Policy{}, c.s)
		for _, p := range ps {
			if p.Code == finding.Unattributed {
				got = append(got, p)
			}
		}
		if (len(got) == 1) != (c.want != "") || len(got) == 1 && !strings.Contains(got[0].Message, c.want) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
