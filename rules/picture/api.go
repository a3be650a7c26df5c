package picture

import (
	"fmt"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// api are the engine's own ports, and their clients.
func (x *prober) api() []Port {
	out := []Port{}
	for _, n := range x.apiPorts() {
		p := netinfo.PublishedPort{HostPort: n, HostPortEnd: n, Proto: netinfo.TCP, ContainerPort: n}
		text := fmt.Sprintf("%d/tcp", n)
		port := Port{Host: text, Own: text, Access: []Access{}, ClosedBy: []string{}}
		x.reach(&port, x.ownTargets(p))
		out = append(out, port)
	}
	return out
}

// apiPorts are Docker's usual ones, those on which dockerd is seen to serve its API,
// loopback aside, and the single ports that docker_api lists.
func (x *catalog) apiPorts() []uint16 {
	ports := []uint16{2375, 2376}
	for _, l := range x.s.Listeners {
		if l.Dockerd && l.Proto == netinfo.TCP && !l.Addr.IsLoopback() {
			ports = append(ports, l.Port)
		}
	}
	if a := x.p.DockerAPI; a != nil {
		for _, r := range a.Ports {
			if r.Lo == r.Hi {
				ports = append(ports, r.Lo)
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// blocked marks the sources that a block stops whatever they dial.
func (x *prober) blocked(sources []Source) {
	if len(x.host) == 0 {
		return
	}
	for i := range sources {
		by, all := "", true
		for j := range x.atoms {
			if !slices.Contains(x.atoms[j].sources, i) {
				continue
			}
			for _, h := range x.host {
				if h.Is6() != x.atoms[j].v6() {
					continue
				}
				for _, answers := range x.judge(target{h, 22, netinfo.TCP}) {
					a := answers[j]
					all = all && !a.pass && a.by.Kind == rules.KindBlock
					by = a.by.String()
				}
			}
		}
		if all && by != "" {
			sources[i].Blocked = by
		}
	}
}
