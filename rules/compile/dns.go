package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/published"
)

const dnsPort = 53

// dnsProtocols are what name servers are asked by.
var dnsProtocols = []netinfo.Protocol{netinfo.UDP, netinfo.TCP}

func (b *scope) matterDNS() matter {
	return matter{"dns", func(n policy.Network) policy.Action { return n.DNS }, b.p.Defaults.Action(rules.KindDNS)}
}

// nameServers returns every address that a container may have for a name server.
func (b *members) nameServers() []netip.Addr {
	if !b.allows(b.matterDNS()) {
		return nil
	}
	b.anyContainer(func(c netinfo.Container) bool { return len(c.NameServers) > 0 })
	all := slices.Clone(b.s.NameServers)
	for _, c := range b.s.Containers {
		all = append(all, c.NameServers...)
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// askers is the set of the containers that Docker's resolver asks the server for, and
// that dns allows it.
func (b *members) askers(server netip.Addr) rules.InSet {
	m := b.matterDNS()
	name := rules.PurposeName("d", server.String())
	b.gather(rules.Set{Name: name, Type: rules.HashNet, InPlace: true, Origin: m.origin()}, func(c netinfo.Container) (ms []rules.Member) {
		servers := c.NameServers
		if len(servers) == 0 {
			servers = b.s.NameServers
		}
		if !slices.Contains(servers, server) {
			return nil
		}
		for _, e := range c.Endpoints {
			if n, ok := b.network(e.NetworkID); ok && n.Bridge != "" && b.effective(n.Name, m) == policy.Allow {
				ms = append(ms, single(slices.DeleteFunc(slices.Clone(e.Addrs), func(a netip.Addr) bool { return disputed(c, a) }))...)
			}
		}
		return ms
	})
	return rules.InSet{Set: name, Dims: []rules.Dim{rules.Src}}
}

// asking passes containers' questions to their name servers, as they are dialled.
func (b *paths) asking(c *chain) {
	for _, server := range b.nameServers() {
		for _, proto := range dnsProtocols {
			c.add(b.ret(b.matterDNS().origin(), rules.Destination{Prefix: netip.PrefixFrom(server, server.BitLen())},
				rules.Proto{Proto: proto}, rules.DestPort{Lo: dnsPort, Hi: dnsPort}, b.askers(server)))
		}
	}
}

// askingPublished passes them where DNAT leads to a container that serves names at an
// address of the host.
func (b *paths) askingPublished(c *chain) {
	for _, server := range b.nameServers() {
		if !slices.Contains(b.own.addrs, netip.PrefixFrom(server, server.BitLen())) {
			continue
		}
		served := b.servers(server)
		for _, proto := range dnsProtocols {
			c.add(b.ret(b.matterDNS().origin(), rules.Proto{Proto: proto}, dialled(policy.Ports{Proto: proto, Lo: dnsPort, Hi: dnsPort}),
				served, b.askers(server)))
		}
	}
}

// servers is the set of the containers' own addresses and ports that answer at the
// host's address.
func (b *members) servers(at netip.Addr) rules.InSet {
	return b.portSet("d", []string{"served", at.String()}, func(c netinfo.Container) (ms []rules.Member) {
		if !active(c) || !publishes(c) {
			return nil
		}
		for _, p := range c.Ports {
			if !exact(p) || p.HostPort != dnsPort || !published.Reaches(b.boundTo(c, p), at) {
				continue
			}
			for _, a := range b.selected(nil, c) {
				if a.Is6() == at.Is6() {
					ms = append(ms, rules.Member{Prefix: netip.PrefixFrom(a, a.BitLen()), Proto: p.Proto, Port: p.ContainerPort})
				}
			}
		}
		return ms
	}, b.matterDNS().origin())
}
