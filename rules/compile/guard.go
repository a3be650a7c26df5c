package compile

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// BySpoof is the origin of frames that spoofing = "deny" drops.
func BySpoof() rules.Origin { return rules.KindSpoof.Origin() }

// guard is what the ports of containers may send where spoofing is denied.
func (b *scope) guard(ports netinfo.Ports) rules.Guard {
	return (&guarding{scope: b, ports: ports}).guard()
}

// guarding makes a guard.
type guarding struct {
	*scope
	ports netinfo.Ports
}

func (b *guarding) guard() rules.Guard {
	if !b.denies(b.matter()) {
		return rules.Guard{}
	}
	g := rules.Guard{On: true, HoldUnknown: true, Hosts: b.bridgeAddrs()}
	if b.p.LogDenied {
		g.Group, g.Prefix = LogGroup, LogPrefix(BySpoof().Subject)
	}
	for _, block := range b.p.Spoofing {
		if ps := prefixesOf(block.Addresses); len(ps) > 0 {
			g.Allowances = append(g.Allowances, rules.Allowance{Name: block.Name, Prefixes: ps})
		}
	}
	denied := b.guardedNetworks()
	b.guardPorts(&g, denied)
	for i := range b.s.Containers {
		b.guardContainer(&g, &b.s.Containers[i], denied)
	}
	slices.SortFunc(g.Senders, rules.Sender.Compare)
	g.Senders = slices.Compact(g.Senders)
	slices.SortFunc(g.Strays, rules.Station.Compare)
	for i := range g.Allowances {
		slices.SortFunc(g.Allowances[i].Stations, rules.Station.Compare)
		g.Allowances[i].Stations = slices.Compact(g.Allowances[i].Stations)
	}
	return g
}

// guardedNetworks are the names of the networks that deny spoofing, by ID.
func (b *guarding) guardedNetworks() map[string]string {
	denied := map[string]string{}
	for _, n := range b.s.Networks {
		if b.effective(n.Name, b.matter()) == policy.Deny {
			denied[n.ID] = n.Name
		}
	}
	return denied
}

// guardPorts sorts the ports of Docker's bridges. A port that is not a veth is a NIC's,
// a virtual machine's or a tunnel's: what comes in by it is from outside.
func (b *guarding) guardPorts(g *rules.Guard, denied map[string]string) {
	for _, l := range b.s.Links {
		id, docker := b.ports.Network(l.Index)
		if !docker {
			continue
		}
		_, guarded := denied[id]
		mac, err := rules.ParseMAC(l.Peer)
		switch {
		case !guarded || l.Kind != "veth" || l.Stray && l.Peer == "":
			g.Free = append(g.Free, l.Index)
		case l.Stray && err == nil:
			g.Strays = append(g.Strays, rules.Station{Port: l.Index, MAC: mac})
		}
	}
	slices.Sort(g.Free)
}

// guardContainer adds what the container may send from.
func (b *guarding) guardContainer(g *rules.Guard, c *netinfo.Container, denied map[string]string) {
	for _, e := range c.Endpoints {
		network, guarded := denied[e.NetworkID]
		port, known := b.ports.Of(e)
		mac, err := rules.ParseMAC(e.MAC)
		if !guarded || !known || err != nil {
			continue
		}
		var lists []string
		macs, addrs := []rules.MAC{mac}, []netip.Addr{ownLinkLocal(mac)}
		for _, block := range b.p.Spoofing {
			if b.mayMore(block, c, network) {
				macs, lists = append(macs, block.MACs...), append(lists, block.Name)
			}
		}
		for _, a := range e.Addrs {
			if a.IsValid() && !a.IsUnspecified() {
				addrs = append(addrs, a.Unmap().WithZone(""))
			}
		}
		for _, m := range macs {
			at := rules.Station{Port: port, MAC: m}
			for _, a := range addrs {
				g.Senders = append(g.Senders, rules.Sender{Station: at, Addr: a})
			}
			for i, a := range g.Allowances {
				if slices.Contains(lists, a.Name) {
					g.Allowances[i].Stations = append(g.Allowances[i].Stations, at)
				}
			}
		}
	}
}

// mayMore reports whether the block is for the container, or for one that shares its
// network.
func (b *guarding) mayMore(block *policy.Spoofing, c *netinfo.Container, network string) bool {
	return block.Names(*c, network) || slices.ContainsFunc(b.s.Containers, func(o netinfo.Container) bool {
		return o.SharesWith == c.ID && c.ID != "" && block.Names(o, network)
	})
}

// bridgeAddrs are the host's addresses on the bridges of Docker's networks.
func (b *guarding) bridgeAddrs() []netip.Addr {
	var all []netip.Addr
	for _, l := range b.s.Links {
		if !slices.ContainsFunc(b.s.Networks, func(n netinfo.Network) bool { return n.Bridge != "" && n.Bridge == l.Name }) {
			continue
		}
		for _, p := range l.Addrs {
			all = append(all, p.Addr().Unmap().WithZone(""))
		}
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all)
}

// ownLinkLocal is the address that Linux gives to a container's interface by itself.
func ownLinkLocal(m rules.MAC) netip.Addr {
	a := m.Identifier().As16()
	a[0], a[1] = 0xfe, 0x80
	return netip.AddrFrom16(a)
}

// prefixesOf are the list's prefixes without those that lie in others: the kernel takes
// no interval that overlaps another.
func prefixesOf(l policy.AddressList) []netip.Prefix {
	var all []netip.Prefix
	for _, p := range policy.SortPrefixes(slices.Clone(l.Prefixes())) {
		if n := len(all); n == 0 || !all[n-1].Contains(p.Addr()) {
			all = append(all, p)
		}
	}
	return all
}

func (b *guarding) matter() matter {
	return matter{"spoofing", func(n policy.Network) policy.Action { return n.Spoofing }, b.p.Defaults.Action(rules.KindSpoofing)}
}
