package cutter

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"dockwall/netinfo"
	"dockwall/netinfo/hostnet"
	"dockwall/rules/published"
)

// places says where addresses are and which ports are published, for tens of
// thousands of questions.
type places struct {
	// host are the host's own addresses, with the links that have them.
	host map[netip.Addr][]string
	// addrs are the host's addresses by link.
	addrs map[string][]netip.Addr
	// bridges leads from the subnets of Docker's bridges to the bridge.
	bridges *bart.Table[string]
	// routed are the prefixes behind containers, with the bridge.
	routed *bart.Table[string]
	// links are those that packets may come in by, nics those of them that are
	// no Docker bridge.
	links, nics []string
	// ports are the containers' published ports.
	ports map[endpoint]bool
	// answers are the host's published ports.
	answers *published.Index
}

type endpoint struct {
	proto netinfo.Protocol
	at    netip.AddrPort
}

func newPlaces(s netinfo.Snapshot) *places {
	p := &places{host: map[netip.Addr][]string{}, addrs: map[string][]netip.Addr{}, bridges: new(bart.Table[string]),
		routed: new(bart.Table[string]), ports: map[endpoint]bool{}, answers: published.New(&s)}
	p.addLinks(s)
	for _, n := range s.Networks {
		for _, sub := range n.Subnets {
			if n.Bridge != "" {
				p.bridges.Insert(sub.Masked(), n.Bridge)
			}
		}
	}
	for _, r := range s.Routes {
		p.routed.Insert(r.Prefix.Masked(), r.Link)
	}
	for _, c := range s.Containers {
		p.addContainer(s, c)
	}
	return p
}

func (p *places) addLinks(s netinfo.Snapshot) {
	docker := map[string]bool{}
	for _, n := range s.Networks {
		docker[n.Bridge] = true
	}
	masters := map[int]bool{}
	for _, l := range s.Links {
		masters[l.Index] = l.Kind == "bridge" || l.Kind == "bond" || l.Kind == "team"
		docker[l.Name] = docker[l.Name] || l.Unplaced
	}
	for _, l := range s.Links {
		for _, a := range l.Addrs {
			p.host[a.Addr()] = append(p.host[a.Addr()], l.Name)
			p.addrs[l.Name] = append(p.addrs[l.Name], a.Addr())
			if l.Unplaced && l.Kind == "bridge" && !a.Addr().IsLinkLocalUnicast() {
				p.bridges.Insert(a.Masked(), l.Name)
			}
		}
		if l.Name != "lo" && l.Up && !masters[l.Master] {
			p.links = append(p.links, l.Name)
			if !docker[l.Name] {
				p.nics = append(p.nics, l.Name)
			}
		}
	}
}

func (p *places) addContainer(s netinfo.Snapshot, c netinfo.Container) {
	for _, e := range c.Endpoints {
		n, ok := s.Network(e.NetworkID)
		if !ok || n.Bridge == "" {
			continue
		}
		for _, a := range e.Addrs {
			// A static address may lie outside the network's subnets.
			p.bridges.Insert(netip.PrefixFrom(a, a.BitLen()), n.Bridge)
			for _, port := range c.Ports {
				p.ports[endpoint{port.Proto, netip.AddrPortFrom(a, port.ContainerPort)}] = true
			}
		}
	}
}

// serves reports whether a published port is bound at the host's address now.
func (p *places) serves(proto netinfo.Protocol, at netip.AddrPort) bool {
	return p.answers.At(proto, at).Served()
}

func (p *places) isHost(a netip.Addr) bool { return a.IsLoopback() || len(p.host[a]) > 0 }

// bridge is the Docker bridge that leads to the address.
func (p *places) bridge(a netip.Addr) (string, bool) { return p.bridges.Lookup(a) }

// published reports whether the flow's source is a container's published port.
func (p *places) published(f hostnet.Flow) bool {
	return p.ports[endpoint{f.Proto, netip.AddrPortFrom(f.Original.Src, f.Original.SrcPort)}]
}
