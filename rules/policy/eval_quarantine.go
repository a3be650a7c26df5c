package policy

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
)

// ClassQuarantine: one end is a container in quarantine, or what lies behind one.
const ClassQuarantine Class = "quarantine"

// quarantines evaluates the quarantine blocks.
type quarantines struct{ eval }

// quarantined: nothing from such a container, and nothing to it, except that it may find
// the host's Ethernet address: the host may dial it.
func (e quarantines) quarantined(from origin) (Answer, bool) {
	to := e.q.To(e.s)
	for _, b := range e.p.Quarantines {
		cut := to.Kind == OnHost && e.quarantinedPort(b)
		if to.Kind == OnBridge {
			cut = e.cut(b, to.Container, to.Network) || e.cutBehind(b, e.q.dst())
		}
		if from == inside && !(to.Kind == OnHost && e.isDiscovery()) {
			s := sender(e.s, e.q)
			cut = cut || e.cut(b, s.Container, s.Network) || e.cutBehind(b, e.q.Source)
		}
		if cut {
			return answer(false, rules.KindQuarantine, b.Name, b.Origin, ClassQuarantine), true
		}
	}
	return Answer{}, false
}

// quarantinedPort reports whether the dialled port of the host is one of a container that
// the block cuts off.
func (e quarantines) quarantinedPort(b *Quarantine) bool {
	if e.q.DNAT.IsValid() {
		return false
	}
	running, _ := publishedAt(e.s, e.q)
	for _, c := range running {
		for _, ep := range c.Container.Endpoints {
			if n, ok := e.s.Network(ep.NetworkID); ok && n.Bridge != "" && e.cut(b, c.Container, n.Name) {
				return true
			}
		}
	}
	for _, c := range e.onHostNetwork() {
		if e.cut(b, c, hostNetworkName) {
			return true
		}
	}
	return false
}

// cut reports whether the block cuts the container off on the network: because of itself,
// or of one that shares its network.
func (e quarantines) cut(b *Quarantine, c *netinfo.Container, network string) bool {
	if c == nil {
		return false
	}
	for _, k := range e.together(c) {
		spared := len(b.Except) > 0 && covers(b.Except, Place{Container: k, Network: network})
		if b.Holds(*k) && !spared {
			return true
		}
	}
	return false
}

// together are the container and those that share its network.
func (e quarantines) together(c *netinfo.Container) (all []*netinfo.Container) {
	for i := range e.s.Containers {
		k := &e.s.Containers[i]
		if o, ok := owner(e.s, k.ID); k.ID == c.ID || ok && o.ID == c.ID {
			all = append(all, k)
		}
	}
	return all
}

// gateways are the containers that routes to the address lead to, each with its network.
func (e quarantines) gateways(a netip.Addr) (all []Place) {
	for _, r := range e.s.Routes {
		if !r.Prefix.Contains(a) || !r.Gateway.IsValid() {
			continue
		}
		if at := Locate(e.s, r.Gateway); at.Container != nil && at.Bridge == r.Link {
			all = append(all, at)
		}
	}
	return all
}

func (e quarantines) cutBehind(b *Quarantine, a netip.Addr) bool {
	return slices.ContainsFunc(e.gateways(a), func(at Place) bool { return e.cut(b, at.Container, at.Network) })
}

// unjudged reports whether it is not known whether the address, at this place, is that of a
// container that a quarantine block cuts off.
func (e quarantines) unjudged(at Place, a netip.Addr) bool {
	if len(e.p.Quarantines) == 0 || slices.Contains(e.s.Strangers, a) || a.IsUnspecified() || e.judged(at) {
		return false
	}
	for _, n := range e.s.Networks {
		if n.Bridge != "" && (slices.Contains(n.Gateways, a) || n.Ingress == a) {
			return false
		}
		for _, p := range n.Subnets {
			if n.Bridge != "" && p.Addr().Is4() && broadcastOf(p) == a {
				return false
			}
		}
	}
	for _, r := range e.s.Routes {
		if r.Prefix.Contains(a) && (!r.Gateway.IsValid() || slices.Contains(e.s.Strangers, r.Gateway)) {
			return false
		}
	}
	return !slices.ContainsFunc(e.gateways(a), e.judged)
}

// judged reports whether the place is a container's, and the audit has judged it and those
// that share its network.
func (e quarantines) judged(at Place) bool {
	return at.Container != nil && !slices.ContainsFunc(e.together(at.Container), func(c *netinfo.Container) bool { return !c.Judged })
}
