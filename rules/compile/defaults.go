package compile

import (
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// matter is one of the five things that defaults and network blocks speak of.
type matter struct {
	name string
	// of reads what a network block says; empty if nothing.
	of      func(policy.Network) policy.Action
	general policy.Action
}

func (b *scope) matterPublished() matter {
	return matter{"published", func(n policy.Network) policy.Action { return n.Published }, b.p.Defaults.Published}
}

func (b *scope) matterDirect() matter {
	return matter{"direct", func(n policy.Network) policy.Action { return n.Direct }, b.p.Defaults.Action(rules.KindDirect)}
}

func (b *scope) matterBetween() matter {
	return matter{"between", func(n policy.Network) policy.Action { return n.Between }, b.p.Defaults.Between}
}

func (b *scope) matterEgress() matter {
	return matter{"egress", func(n policy.Network) policy.Action { return n.Egress }, b.p.Defaults.Egress}
}

func (b *scope) matterHost() matter {
	return matter{"host", func(n policy.Network) policy.Action { return n.Host }, b.p.Defaults.Host}
}

// origin names the default. Defaults have no position: they hold where the
// file says nothing.
func (m matter) origin() rules.Origin {
	return rules.Origin{Subject: rules.Subject{Kind: rules.KindDefaults, Name: m.name}}
}

// networkDefault is what a network block says about a matter.
type networkDefault struct {
	name   string
	action policy.Action
	origin rules.Origin
	// links are the bridges of the networks of that name; none: not made yet.
	links []link
}

func (b *scope) networkDefaults(m matter) []networkDefault {
	var ds []networkDefault
	for _, n := range b.p.Networks {
		if m.of(n) != "" {
			ds = append(ds, networkDefault{name: n.Name, action: m.of(n), origin: n.Origin, links: b.bridges(n.Name)})
		}
	}
	return ds
}

// bridges returns the bridges of the networks of that name (Docker allows
// several networks of one name).
func (b *scope) bridges(network string) []link {
	var ls []link
	for _, n := range b.s.Networks {
		if l, ok := linkOf(n.Bridge); ok && n.Name == network {
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(x, y link) int { return compareStrings(x.name, y.name) })
	return ls
}

// denies reports whether the matter is denied somewhere.
func (b *scope) denies(m matter) bool {
	return m.general == policy.Deny || slices.ContainsFunc(b.p.Networks, func(n policy.Network) bool { return m.of(n) == policy.Deny })
}

// allows reports whether the matter is allowed somewhere.
func (b *scope) allows(m matter) bool {
	return m.general == policy.Allow || slices.ContainsFunc(b.p.Networks, func(n policy.Network) bool { return m.of(n) == policy.Allow })
}

// effective is what holds on the network: its own default or the general one.
func (b *scope) effective(network string, m matter) policy.Action {
	for _, n := range b.p.Networks {
		if n.Name == network && m.of(n) != "" {
			return m.of(n)
		}
	}
	return m.general
}

// originOf is the origin of what effective returns.
func (b *scope) originOf(network string, m matter) rules.Origin {
	for _, n := range b.p.Networks {
		if n.Name == network && m.of(n) != "" {
			return n.Origin
		}
	}
	return m.origin()
}

// byNetwork ends a chain with a matter's defaults, each network's own before
// the general one. side says how a rule names the bridge.
func (b *members) byNetwork(m matter, side func(link) rules.Match, allow, deny func(o rules.Origin, ms ...rules.Match)) {
	for _, d := range b.networkDefaults(m) {
		for _, l := range d.links {
			if d.action == policy.Allow {
				allow(d.origin, side(l))
			} else {
				deny(d.origin, side(l))
			}
		}
	}
	strict, unknown := b.forUnknown(m)
	if m.general == policy.Allow && strict {
		for _, l := range b.knownBridges() {
			allow(m.origin(), side(l))
		}
		deny(unknown)
		return
	}
	if m.general == policy.Deny {
		deny(m.origin())
		return
	}
	allow(m.origin())
}

// forUnknown reports whether what is on no network that is known is denied, and
// in whose name: a bridge or a container that is not known yet may turn
// out to be of a network that is closed, so the strictest default holds. The
// network called host has no bridge, and nothing unknown is on it.
func (b *scope) forUnknown(m matter) (deny bool, o rules.Origin) {
	if m.general == policy.Deny {
		return true, m.origin()
	}
	for _, d := range b.networkDefaults(m) {
		if d.action == policy.Deny && d.name != hostNetwork {
			return true, d.origin
		}
	}
	return false, m.origin()
}

// knownBridges are the bridges of the networks there are.
func (b *scope) knownBridges() []link {
	var ls []link
	for _, n := range b.s.Networks {
		if l, ok := linkOf(n.Bridge); ok {
			ls = append(ls, l)
		}
	}
	slices.SortFunc(ls, func(x, y link) int { return compareStrings(x.name, y.name) })
	return slices.Compact(ls)
}

// behindNetwork is the set of published ports that the network's default
// decides. Of a container on several networks a denying one counts first, since
// any of them may be the one that the port leads through.
func (b *members) behindNetwork(m matter, d networkDefault) rules.InSet {
	ms := b.proxied(func(c netinfo.Container, _ netinfo.PublishedPort) bool {
		n, ok := b.decider(m, c)
		return ok && n == d.name
	})
	return b.portSet("n", []string{m.name, d.name, string(d.action)}, ms, d.origin)
}

// decider is the network whose default decides on the container's published
// ports; false if the general one does.
func (b *scope) decider(m matter, c netinfo.Container) (string, bool) {
	ns := b.gateways(c)
	for _, want := range []policy.Action{policy.Deny, policy.Allow} {
		for _, n := range ns {
			if b.effective(n.Name, m) == want {
				return n.Name, b.speaks(n.Name, m)
			}
		}
	}
	return "", false
}

// speaks reports whether a network block says something about the matter.
func (b *scope) speaks(network string, m matter) bool {
	return slices.ContainsFunc(b.p.Networks, func(n policy.Network) bool { return n.Name == network && m.of(n) != "" })
}

// presentBridges are those, and the bridges that look like Docker's of which
// the engine has told nothing (yet).
func (b *scope) presentBridges() []link {
	ls := b.knownBridges()
	for _, l := range b.s.Links {
		if named, ok := linkOf(l.Name); ok && looksDocker(l) {
			ls = append(ls, named)
		}
	}
	slices.SortFunc(ls, func(x, y link) int { return compareStrings(x.name, y.name) })
	return slices.Compact(ls)
}
