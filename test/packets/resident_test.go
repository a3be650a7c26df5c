package packets

import (
	"fmt"
	"net/netip"
	"testing"

	"dockwall/netinfo"
	"dockwall/rules"
)

// unknown is the number of a namespace on front that no container has.
const unknown = 9

// move plugs the containers in, and a stranger.
func (w *town) move(t testing.TB) {
	t.Helper()
	for _, c := range residents() {
		for _, e := range c.Endpoints {
			// One that is on two networks has a namespace for each: which of its
			// addresses answers is then told by the route to it alone.
			for _, b := range bridges() {
				if b.id == e.NetworkID {
					w.plug(t, newSpace(t, c.Name+"."+b.name), b, number(c))
				}
			}
		}
	}
	front := bridges()[1]
	w.plug(t, newSpace(t, "stranger."+front.name), front, unknown)
}

// number is what the container's addresses end with.
func number(c netinfo.Container) int { return int(c.Name[len(c.Name)-1]-'0') + 2 }

// residents are the containers as the engine tells of them. Their names,
// images and labels are what policytest's selectors look for.
func residents() []netinfo.Container {
	tcp := func(host string, hp, cp uint16) netinfo.PublishedPort { return published(host, hp, cp, netinfo.TCP) }
	compose := func(service, tier string) map[string]string {
		return map[string]string{"com.docker.compose.project": "shop", "com.docker.compose.service": service, "tier": tier}
	}
	all := []netinfo.Container{
		{Name: "web-0", Image: "nginx:1.27", State: "running", Endpoints: on("bridge"),
			Ports: []netinfo.PublishedPort{tcp("", 8080, 80)}},
		{Name: "web-1", Image: "nginx", State: "running", Labels: compose("web", "frontend"), Endpoints: on("front"),
			Ports: []netinfo.PublishedPort{tcp("", 80, 80), tcp("", 8081, 443), published("", 53, 53, netinfo.UDP), tcp("192.0.2.1", 8082, 80)}},
		{Name: "db-2", Image: "postgres:17", State: "running", Labels: compose("db", "back"), Endpoints: on("front", "back"),
			Ports: []netinfo.PublishedPort{tcp("10.0.0.1", 8082, 5432)}},
		{Name: "cache-3", Image: "registry.example/app:1", State: "running", Labels: map[string]string{"tier": "back"}, Endpoints: on("back")},
		{Name: "web-4", Image: "nginx:1.27", State: "running", Endpoints: on("pub"),
			Ports: []netinfo.PublishedPort{published("", 0, 80, netinfo.TCP), published("", 0, 53, netinfo.UDP)}},
		{Name: "db-5", Image: "postgres:17", State: "exited", Ports: []netinfo.PublishedPort{tcp("", 9100, 80)}},
		{Name: "cache-6", Image: "registry.example/app:1", State: "running", HostNetwork: true},
	}
	for i := range all {
		c := &all[i]
		c.ID = fmt.Sprintf("%c%015d", 'a'+i, i)
		for j := range c.Endpoints {
			for _, b := range bridges() {
				if b.name == c.Endpoints[j].NetworkID {
					c.Endpoints[j] = netinfo.Endpoint{NetworkID: b.id, Addrs: b.addrs(number(*c))}
				}
			}
		}
	}
	return all
}

// on are places on networks, by the networks' names still.
func on(networks ...string) []netinfo.Endpoint {
	var all []netinfo.Endpoint
	for _, n := range networks {
		all = append(all, netinfo.Endpoint{NetworkID: n})
	}
	return all
}

func published(host string, hp, cp uint16, proto rules.Protocol) netinfo.PublishedPort {
	p := netinfo.PublishedPort{HostPort: hp, HostPortEnd: hp, ContainerPort: cp, Proto: proto}
	if host != "" {
		p.HostAddr = netip.MustParseAddr(host)
	}
	return p
}

// mapping is a nat rule of Docker's for one published port. What none matches
// is received on the host, where docker-proxy would be.
type mapping struct {
	bridge string
	host   netip.Addr // invalid: every address of the family
	port   uint16
	proto  rules.Protocol
	to     netip.AddrPort
}

// mappings follow from the containers: Docker sends a port to the container's
// gateway network only, which here is its first in NAT mode.
func mappings() []mapping {
	var all []mapping
	for _, c := range residents() {
		if len(c.Endpoints) == 0 {
			continue
		}
		e := c.Endpoints[0]
		for _, b := range bridges() {
			if b.id != e.NetworkID || b.mode != netinfo.GatewayNAT {
				continue
			}
			for _, p := range c.Ports {
				for _, a := range e.Addrs {
					if !p.HostAddr.IsValid() || p.HostAddr.Is4() == a.Is4() {
						all = append(all, mapping{b.dev, p.HostAddr, p.HostPort, p.Proto, netip.AddrPortFrom(a, p.ContainerPort)})
					}
				}
			}
		}
	}
	return all
}

func (m mapping) rule() string {
	dest := ""
	if m.host.IsValid() {
		dest = "-d " + m.host.String() + " "
	}
	return fmt.Sprintf("-A DOCKER %s! -i %s -p %s -m %s --dport %d -j DNAT --to-destination %s", dest, m.bridge, m.proto, m.proto, m.port, m.to)
}

// translated is where the nat rules send an attempt; invalid: nowhere else.
func translated(nic string, to netip.AddrPort, proto rules.Protocol) netip.AddrPort {
	for _, m := range mappings() {
		fits := m.port == to.Port() && m.proto == proto && m.bridge != nic && m.to.Addr().Is4() == to.Addr().Is4()
		if fits && (!m.host.IsValid() || m.host == to.Addr()) {
			return m.to
		}
	}
	return netip.AddrPort{}
}
