package facts

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
)

// firstEphemeral is where Linux begins to pick ports for sockets (32768 in
// ip_local_port_range).
const firstEphemeral = 32768

// minds reports whether it matters in which container the process behind the socket
// runs: on a port that a policy names for containers, and on any port while a container
// is on the host's network. A UDP socket on a port that the kernel picked is left out,
// because a name server opens and closes one for each question that it asks. c.mu is held.
func (c *Collector) minds(s hostnet.Socket) bool {
	return c.minded.has(s.Proto, s.Port) || c.onHost && (s.Proto != netinfo.UDP || s.Port < firstEphemeral)
}

// mindHostNetwork notes whether a container runs on the host's network. The first of
// them has the sockets looked at. c.mu is held.
func (c *Collector) mindHostNetwork(cs []netinfo.Container) {
	before := c.onHost
	c.onHost = slices.ContainsFunc(cs, func(ct netinfo.Container) bool { return ct.HostNetwork && ct.Running() })
	if c.onHost && !before {
		c.walk = true // its listeners may be there already, and the same as at the last look
		c.poke()
	}
}

// addHostNetwork gives the containers on the host's network the ports on which their
// processes listen: Docker publishes none of theirs, whatever was asked for.
func (s sockets) addHostNetwork(snap *netinfo.Snapshot) {
	if !slices.ContainsFunc(snap.Containers, func(c netinfo.Container) bool { return c.HostNetwork }) {
		return
	}
	index := make(map[string]int, len(snap.Containers))
	snap.Containers = slices.Clone(snap.Containers) // others have them, too
	for i := range snap.Containers {
		c := &snap.Containers[i]
		index[c.ID] = i
		if c.HostNetwork {
			c.Ports = nil
		}
	}
	for _, g := range s.listeners {
		i, known := index[g.container]
		for known && snap.Containers[i].SharesWith != "" {
			i, known = index[snap.Containers[i].SharesWith]
		}
		if g.container == "" || !known || !snap.Containers[i].HostNetwork || g.l.Addr.IsLoopback() || s.shared(g) {
			continue
		}
		c := &snap.Containers[i]
		c.Ports = append(c.Ports, g.port())
	}
	for i := range snap.Containers {
		if c := &snap.Containers[i]; c.HostNetwork {
			c.SortPorts()
		}
	}
}

// port is the listener as a published port. A socket on :: serves IPv4, too, unless it
// was told not to.
func (g sighting) port() netinfo.PublishedPort {
	p := netinfo.PublishedPort{HostAddr: g.l.Addr, HostPort: g.l.Port, HostPortEnd: g.l.Port, Proto: g.l.Proto, ContainerPort: g.l.Port}
	if g.l.Addr.IsUnspecified() && g.l.Addr.Is6() && !g.v6Only {
		p.HostAddr = netinfo.Addr{}
	}
	return p
}

// shared reports whether a process of the host itself has the port of a container's UDP
// socket, too: a multicast packet for both (mDNS) must reach the host's.
func (s sockets) shared(g sighting) bool {
	return g.l.Proto == netinfo.UDP && slices.ContainsFunc(s.listeners, func(o sighting) bool {
		return !o.l.Container && !o.l.Dockerd && o.l.Proto == netinfo.UDP && o.l.Port == g.l.Port && !o.l.Addr.IsLoopback()
	})
}
