package compile

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Frames returns what the bridges of this host let pass under the policy, as far
// as that is a matter of ports and Ethernet frames, which iptables does not see.
func Frames(p policy.Policy, s netinfo.Snapshot) rules.Frames {
	b := scope{p: p, s: s}
	ports := s.Ports()
	f := rules.Frames{NoTags: b.denies(b.matterBetween()), Places: places(s, ports), Foreign: foreignPorts(s)}
	if len(p.Egress)+len(p.Host)+len(p.Quarantines) > 0 {
		f.Hold, f.Group, f.Prefix, f.Seen = true, HoldGroup, LogPrefix(byHold.Subject), slices.Clone(s.Sightings)
		slices.SortFunc(f.Seen, netinfo.Place.Compare)
	}
	if f.NoTags {
		f.Tagged = b.taggedPorts(ports)
	}
	f.Guard = b.guard(ports)
	return f
}

// places are the addresses of all containers whose port is known.
func places(s netinfo.Snapshot, ports netinfo.Ports) []netinfo.Place {
	all := make([]netinfo.Place, 0, len(s.Containers))
	for i := range s.Containers {
		for _, e := range s.Containers[i].Endpoints {
			port, ok := ports.Of(e)
			if !ok {
				continue
			}
			for _, a := range e.Addrs {
				if a.IsValid() && !a.IsUnspecified() {
					all = append(all, netinfo.Place{Port: port, Addr: a.Unmap().WithZone("")})
				}
			}
		}
	}
	slices.SortFunc(all, netinfo.Place.Compare)
	return slices.Compact(all)
}

// foreignPorts are the ports of bridges that are not Docker's and cannot turn out
// to be: a bridge that the engine was not asked about yet is treated as Docker's.
func foreignPorts(s netinfo.Snapshot) []int {
	docker := map[string]bool{}
	for _, n := range s.Networks {
		docker[n.Bridge] = true
	}
	foreign := map[int]bool{}
	for _, l := range s.Links {
		if l.Kind == "bridge" && !docker[l.Name] && !looksDocker(l) {
			foreign[l.Index] = true
		}
	}
	var all []int
	for _, l := range s.Links {
		if foreign[l.Master] {
			all = append(all, l.Index)
		}
	}
	slices.Sort(all)
	return all
}

// taggedPorts are the ports of networks whose containers may reach each other
// whatever they send.
func (b *scope) taggedPorts(ports netinfo.Ports) []int {
	free := map[string]bool{}
	for _, n := range b.s.Networks {
		free[n.ID] = b.effective(n.Name, b.matterBetween()) == policy.Allow
	}
	var all []int
	for _, l := range b.s.Links {
		if id, ok := ports.Network(l.Index); ok && free[id] {
			all = append(all, l.Index)
		}
	}
	slices.Sort(all)
	return all
}
