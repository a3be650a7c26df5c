package policytest

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Policy draws a document: some named blocks, and policies that refer to them
// or write their addresses in place.
func Policy(t *rapid.T) policy.Policy {
	p := policy.Policy{
		DenyWith:  pick(t, "deny with", []policy.DenyWith{policy.DenyDrop, policy.DenyReject}),
		LogDenied: rapid.Bool().Draw(t, "log denied"),
		Defaults: policy.Defaults{Published: action(t), Direct: action(t), Between: action(t), Egress: action(t), DNS: action(t), Host: action(t),
			Origin: rules.Origin{Subject: rules.Subject{Kind: "defaults"}}},
	}
	d := &document{t: t, p: &p}
	d.names()
	for _, name := range []string{"bridge", "front", "host", "pub"} {
		if seldom(t, "network block") || name == "host" {
			p.Networks = append(p.Networks, policy.Network{Name: name, Published: maybe(t), Direct: maybe(t), Between: maybe(t), Egress: maybe(t), DNS: maybe(t),
				Host: maybe(t), Origin: d.origin("network", name)})
		}
	}
	d.policies()
	return p
}

func action(t *rapid.T) policy.Action {
	return pick(t, "default", []policy.Action{policy.Deny, policy.Allow})
}

func maybe(t *rapid.T) policy.Action {
	return pick(t, "own default", []policy.Action{"", policy.Deny, policy.Allow})
}

// document is a Policy that is being drawn.
type document struct {
	t    *rapid.T
	p    *policy.Policy
	line int
}

func (d *document) origin(kind rules.Kind, name string) rules.Origin {
	d.line++
	return rules.Origin{Subject: rules.Subject{Kind: kind, Name: name}, File: "agent.hcl", Line: d.line}
}

// count is how many blocks of a kind there are: mostly few.
func (d *document) count() int { return pick(d.t, "blocks", []int{0, 0, 1, 1, 2, 3}) }

func (d *document) names() {
	for i := range d.count() {
		n := fmt.Sprint("a", i)
		d.p.Addresses = append(d.p.Addresses, &policy.Addresses{Name: n, Prefixes: d.prefixes(), Origin: d.origin("addresses", n)})
	}
	for i := range d.count() {
		n := fmt.Sprint("i", i)
		d.p.Interfaces = append(d.p.Interfaces, &policy.Interfaces{Name: n, Origin: d.origin("interfaces", n),
			Names:    some(d.t, "nic names", []string{"eth0", "eth1", "eth*", "wg*", "br-lan", "docker0", "bond*"}),
			Prefixes: masked(some(d.t, "nic prefixes", prefixes("10.0.0.0/8", "192.0.2.0/24", "fd00::/16", "172.16.0.0/12")))})
	}
	for i := range 1 + d.count() {
		d.p.Containers = append(d.p.Containers, d.selector(fmt.Sprint("c", i)))
	}
}

func (d *document) selector(name string) *policy.Selector {
	s := &policy.Selector{Name: name, Origin: d.origin("containers", name)}
	// One attribute is always there; more than two would select nothing.
	for range rapid.IntRange(1, 2).Draw(d.t, "attributes") {
		switch rapid.IntRange(0, 5).Draw(d.t, "attribute") {
		case 0, 1:
			s.Names = some(d.t, "names", []string{"web-*", "db-*", "*-1", "*"})
		case 2:
			s.Images = some(d.t, "images", []string{"nginx:*", "postgres:*", "*app*"})
		case 3:
			s.Labels = []policy.LabelMatch{{Key: "tier", Value: pick(d.t, "tier", []string{"front*", "*", "back"})}}
		case 4:
			s.Networks = some(d.t, "networks", []string{"front", "back", "pub", "host", "b*"})
		default:
			s.Compose = []policy.Compose{{Project: "shop", Service: pick(d.t, "service", []string{"web", "db", "*"})}}
		}
	}
	return s
}

// some draws one to three, in the order of from.
func some[T comparable](t *rapid.T, label string, from []T) []T {
	drawn := rapid.SliceOfNDistinct(rapid.SampledFrom(from), 1, min(3, len(from)), rapid.ID[T]).Draw(t, label)
	slices.SortFunc(drawn, func(a, b T) int { return cmp.Compare(slices.Index(from, a), slices.Index(from, b)) })
	return drawn
}

func masked(ps []netip.Prefix) []netip.Prefix { return policy.SortPrefixes(ps) }

// pool are prefixes that hold some of the universe's addresses, and not others.
func pool() []netip.Prefix {
	return prefixes("0.0.0.0/0", "::/0", "203.0.113.0/24", "203.0.113.7/32", "198.51.100.0/24", "2001:db8:f::/48",
		"2001:db8:f::7/128", "fe80::/10", "10.0.0.0/8", "192.0.2.0/24", "172.16.0.0/12", "172.18.0.2/32", "172.18.0.0/24", "fd18::/64",
		"172.20.0.3/32")
}

func (d *document) prefixes() []netip.Prefix { return masked(some(d.t, "prefixes", pool())) }

func (d *document) addresses() policy.AddressList {
	var l policy.AddressList
	if len(d.p.Addresses) > 0 && rapid.Bool().Draw(d.t, "by name") {
		l.Refs = some(d.t, "addresses", d.p.Addresses)
	}
	switch {
	case seldom(d.t, "any"):
		l.Literals = masked(prefixes("0.0.0.0/0", "::/0"))
	case l.Refs == nil || rapid.Bool().Draw(d.t, "in place"):
		l.Literals = d.prefixes()
	}
	return l
}

// except is left out more often than not.
func (d *document) except() policy.AddressList {
	if often(d.t, "no except") {
		return policy.AddressList{}
	}
	return policy.AddressList{Literals: d.prefixes()}
}

func (d *document) via() []*policy.Interfaces {
	if len(d.p.Interfaces) == 0 || rapid.Bool().Draw(d.t, "no via") {
		return nil
	}
	return some(d.t, "via", d.p.Interfaces)
}

func (d *document) selectors() []*policy.Selector { return some(d.t, "selectors", d.p.Containers) }

func (d *document) maybeSelectors() []*policy.Selector {
	if seldom(d.t, "every container") {
		return nil
	}
	return d.selectors()
}

// ownPorts draws ports of containers, and pings.
func (d *document) ownPorts(from []uint16) []policy.Ports {
	ps := d.ports(from)
	if seldom(d.t, "ping") {
		ps = append(ps, policy.Ping()...)
	}
	return ps
}

// ports draws ranges around the universe's ports, or none.
func (d *document) ports(from []uint16) []policy.Ports {
	var ps []policy.Ports
	for range pick(d.t, "port ranges", []int{0, 1, 2, 3}) {
		lo := pick(d.t, "port", from)
		hi := lo + pick(d.t, "span", []uint16{0, 0, 0, 1, 100})
		if proto := pick(d.t, "protocol", []rules.Protocol{netinfo.TCP, netinfo.UDP, netinfo.AnyProtocol}); proto != netinfo.AnyProtocol {
			ps = append(ps, policy.Ports{Proto: proto, Lo: lo, Hi: hi})
			continue
		}
		ps = append(ps, policy.Ports{Proto: netinfo.TCP, Lo: lo, Hi: hi}, policy.Ports{Proto: netinfo.UDP, Lo: lo, Hi: hi})
	}
	return ps
}
