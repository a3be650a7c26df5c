package policy

import (
	"net/netip"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// covers reports whether a list of selectors selects the place: its container,
// and its address there. An empty list is every container, known or not.
func covers(list []*Selector, at Place) bool {
	for _, sel := range list {
		if selects(sel, at) {
			return true
		}
	}
	return len(list) == 0
}

func selects(sel *Selector, at Place) bool {
	if at.Container == nil || !sel.Match(*at.Container) {
		return false
	}
	return len(sel.Networks) == 0 || at.Network != "" && sel.OnNetwork(at.Network)
}

// anyPort reports whether a block's ports hold the port; no ports are all. Of ICMP,
// ports can hold pings alone.
func (e eval) anyPort(list []Ports, port uint16) bool {
	isICMP := e.q.Proto == netinfo.ICMP || e.q.Proto == netinfo.ICMPv6
	return len(list) == 0 || hasPort(list, e.q.Proto, port) && (!isICMP || e.q.IsPing())
}

func hasPort(list []Ports, proto rules.Protocol, port uint16) bool {
	for _, p := range list {
		if p.Contains(proto, port) {
			return true
		}
	}
	return false
}

// within reports whether the address is in the list and not in except. An empty
// list holds no address.
func within(list, except AddressList, a netip.Addr) bool {
	return holds(list, a) && !holds(except, a)
}

func holds(list AddressList, a netip.Addr) bool {
	for _, p := range list.Prefixes() {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// byNIC reports whether a block's via holds the NIC; no via is any NIC.
func byNIC(s netinfo.Snapshot, via []*Interfaces, nic string) bool {
	for _, v := range via {
		for _, name := range v.Names {
			if prefix, ok := strings.CutSuffix(name, "*"); ok && strings.HasPrefix(nic, prefix) || name == nic {
				return true
			}
		}
		if hasAddressIn(s, nic, v.Prefixes) {
			return true
		}
	}
	return len(via) == 0
}

func hasAddressIn(s netinfo.Snapshot, nic string, prefixes []netip.Prefix) bool {
	for _, l := range s.Links {
		if l.Name != nic {
			continue
		}
		for _, a := range l.Addrs {
			for _, p := range prefixes {
				if p.Contains(a.Addr()) {
					return true
				}
			}
		}
	}
	return false
}

// byDefault answers for a network by its block or the defaults. A network
// that is not known gets the strictest that any network has: a container that
// is just starting must not be open for the moment until it is known. The
// network called host has no bridge, so that nothing unknown is on it.
func (p Policy) byDefault(k rules.Kind, network string, class Class) Answer {
	def := p.Defaults.Action(k)
	for _, n := range p.Networks {
		own := *n.Of(k)
		stricter := network == "" && own == Deny && def == Allow && n.Name != hostNetworkName
		if own == "" || n.Name != network && !stricter {
			continue
		}
		return answer(own == Allow, rules.KindNetwork, n.Name, n.Origin, class)
	}
	return answer(def == Allow, rules.KindDefaults, string(k), p.Defaults.Origin, class)
}

// answer is the answer of the block or default of this kind and name.
func answer(allow bool, k rules.Kind, name string, o rules.Origin, class Class) Answer {
	o.Subject = rules.Subject{Kind: k, Name: name}
	return Answer{Allow: allow, Origin: o, Class: class}
}

// framed is an answer that no block and no default gives.
func framed(allow bool, k rules.Kind, class Class) Answer {
	return Answer{Allow: allow, Origin: k.Origin(), Class: class}
}
