package policytest

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
)

func hostPorts() []uint16      { return []uint16{53, 80, 8080, 8081, 8082, 9100, 2375} }
func containerPorts() []uint16 { return []uint16{53, 80, 443, 5432} }

// hostAddrs are those that ports are bound to; the invalid one is everywhere.
func hostAddrs() []netip.Addr {
	return []netip.Addr{{}, {}, {}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("192.0.2.1"),
		netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8:a::1"), netip.MustParseAddr("127.0.0.1")}
}

// draft is the drawing of all containers: what is taken already.
type draft struct {
	t     *rapid.T
	s     *netinfo.Snapshot
	bound []netinfo.PublishedPort
	next  int
}

func containers(t *rapid.T, s *netinfo.Snapshot) []netinfo.Container {
	d := &draft{t: t, s: s, next: 2}
	var all []netinfo.Container
	for i := range pick(t, "containers", []int{2, 3, 4, 5, 6, 7}) {
		c := d.container(i)
		if len(all) > 0 && seldom(t, "shares") && rapid.Bool().Draw(t, "really") {
			// It has neither addresses nor ports of its own.
			c.SharesWith, c.HostNetwork = all[0].ID, all[0].HostNetwork
			c.Endpoints, c.Ports = nil, nil
		}
		judge(t, &c)
		all = append(all, c)
	}
	return all
}

// judge draws what the audit found.
func judge(t *rapid.T, c *netinfo.Container) {
	if c.Judged = often(t, "judged"); c.Judged && seldom(t, "fails") {
		c.Findings = some(t, "findings", Checks())
		c.Released = seldom(t, "released")
	}
}

func (d *draft) container(i int) netinfo.Container {
	service := pick(d.t, "service", []string{"web", "db", "cache"})
	c := netinfo.Container{ID: fmt.Sprintf("%c%015d", 'a'+i, i), Name: fmt.Sprintf("%s-%d", service, i),
		Image:  pick(d.t, "image", []string{"nginx", "nginx:1.27", "postgres:17", "registry.example/app:1"}),
		Labels: labels(d.t, service),
		State:  pick(d.t, "state", []string{"running", "running", "running", "running", "paused", "restarting", "exited", "created"}),
	}
	switch mode := rapid.IntRange(0, 9).Draw(d.t, "network mode"); {
	case mode > 7:
		c.HostNetwork = true
		if c.Running() {
			d.listen(&c)
		}
		return c
	case mode == 7:
		c.Endpoints = []netinfo.Endpoint{{NetworkID: "vlan", Addrs: []netip.Addr{netip.MustParseAddr(fmt.Sprintf("198.18.0.%d", i+2))}}}
		return c
	}
	if c.State != "exited" {
		d.connect(&c)
	}
	if len(c.Endpoints) > 0 || !c.Running() {
		// What runs on no bridge (none, overlay) has no ports on the host.
		d.publish(&c)
	}
	return c
}

// listen has processes of the container, which is on the host's network, listen.
func (d *draft) listen(c *netinfo.Container) {
	for range pick(d.t, "listeners", []int{0, 1, 1, 2}) {
		port := pick(d.t, "listens on", hostPorts())
		c.Ports = append(c.Ports, netinfo.PublishedPort{HostPort: port, HostPortEnd: port, ContainerPort: port,
			Proto:    pick(d.t, "protocol", []netinfo.Protocol{netinfo.TCP, netinfo.TCP, netinfo.UDP}),
			HostAddr: pick(d.t, "listens at", []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("192.0.2.1")})})
	}
}

func labels(t *rapid.T, service string) map[string]string {
	l := map[string]string{}
	if rapid.Bool().Draw(t, "composed") {
		l["com.docker.compose.project"] = "shop"
		l["com.docker.compose.service"] = service
	}
	if rapid.Bool().Draw(t, "labelled") {
		l["tier"] = pick(t, "tier", []string{"front", "frontend", "back"})
	}
	return l
}

// connect gives the container its place on one bridge network, sometimes on
// two or more.
func (d *draft) connect(c *netinfo.Container) {
	for _, w := range universe() {
		n, ok := d.s.Network(w.id)
		if !ok || rapid.IntRange(0, 2).Draw(d.t, "connected") > 0 {
			continue
		}
		e := netinfo.Endpoint{NetworkID: n.ID, Addrs: []netip.Addr{w.addr(d.next, false)}}
		if w.v6 != "" && often(d.t, "v6") {
			e.Addrs = append(e.Addrs, w.addr(d.next, true))
		}
		if rapid.Bool().Draw(d.t, "mac") {
			e.MAC = fmt.Sprintf("02:42:ac:00:%02x:%02x", len(c.Endpoints), d.next)
		}
		c.Endpoints = append(c.Endpoints, e)
	}
	d.next++
}

// publish gives the container ports. What runs has nothing on a host port that
// another running container has on the same address; what does not may wish so.
func (d *draft) publish(c *netinfo.Container) {
	for range pick(d.t, "ports", []int{0, 1, 2, 3}) {
		p := netinfo.PublishedPort{HostAddr: pick(d.t, "bound to", hostAddrs()), HostPort: pick(d.t, "host port", hostPorts()),
			Proto:         pick(d.t, "proto", []rules.Protocol{netinfo.TCP, netinfo.TCP, netinfo.UDP}),
			ContainerPort: pick(d.t, "container port", containerPorts())}
		p.HostPortEnd = p.HostPort
		switch {
		case seldom(d.t, "no host port"):
			p.HostPort, p.HostPortEnd = 0, 0
		case c.Running() || len(c.Endpoints) > 0:
			if slices.ContainsFunc(d.bound, func(o netinfo.PublishedPort) bool { return overlap(o, p) }) {
				continue
			}
			d.bound = append(d.bound, p)
		case seldom(d.t, "range"):
			p.HostPortEnd += 2
		}
		c.Ports = append(c.Ports, p)
		if c.Running() && !p.HostAddr.IsValid() && p.HostPort != 0 && rapid.Bool().Draw(d.t, "given") {
			c.Ports = append(c.Ports, given(p)...)
		}
	}
}

// given is what the engine says of a port that was asked for without an
// address once the container runs, beside what was asked for.
func given(p netinfo.PublishedPort) []netinfo.PublishedPort {
	p4, p6 := p, p
	p4.HostAddr, p6.HostAddr = netip.IPv4Unspecified(), netip.IPv6Unspecified()
	return []netinfo.PublishedPort{p4, p6}
}

// overlap reports whether two published ports cannot be bound at the same time.
func overlap(a, b netinfo.PublishedPort) bool {
	if a.Proto != b.Proto || a.HostPort != b.HostPort {
		return false
	}
	x, y := a.HostAddr, b.HostAddr
	return !x.IsValid() || !y.IsValid() || x == y || x.Is6() == y.Is6() && (x.IsUnspecified() || y.IsUnspecified())
}
