package policy

import (
	"cmp"
	"slices"

	"dockwall/rules"
)

// Defaulted are the kinds of traffic that defaults and network blocks speak of, in
// the order in which people think of them.
func Defaulted() []rules.Kind {
	return []rules.Kind{rules.KindPublished, rules.KindDirect, rules.KindBetween, rules.KindEgress, rules.KindDNS, rules.KindHost, rules.KindSpoofing}
}

// Action is what d says of the kind, which is one of Defaulted; never empty.
func (d Defaults) Action(k rules.Kind) Action {
	switch k {
	case rules.KindDNS:
		return cmp.Or(d.DNS, Allow)
	case rules.KindSpoofing:
		return cmp.Or(d.Spoofing, Allow)
	}
	return cmp.Or(*d.Of(k), Deny)
}

// Denies reports whether the kind, which is one of Defaulted, is denied by default or on
// a network.
func (p *Policy) Denies(k rules.Kind) bool {
	return p.Defaults.Action(k) == Deny || slices.ContainsFunc(p.Networks, func(n Network) bool { return *n.Of(k) == Deny })
}

// On is what holds on the network of this name for the kind, which is one of Defaulted: its
// own default, or the general one.
func (p *Policy) On(network string, k rules.Kind) Action {
	for i := range p.Networks {
		if n := &p.Networks[i]; n.Name == network && *n.Of(k) != "" {
			return *n.Of(k)
		}
	}
	return p.Defaults.Action(k)
}

// Of is the field of the kind, which is one of Defaulted.
func (d *Defaults) Of(k rules.Kind) *Action {
	if k == rules.KindSpoofing {
		return &d.Spoofing
	}
	return field(k, &d.Published, &d.Direct, &d.Between, &d.Egress, &d.DNS, &d.Host)
}

// Of is the field of the kind, which is one of Defaulted.
func (n *Network) Of(k rules.Kind) *Action {
	if k == rules.KindSpoofing {
		return &n.Spoofing
	}
	return field(k, &n.Published, &n.Direct, &n.Between, &n.Egress, &n.DNS, &n.Host)
}

func field(k rules.Kind, published, direct, between, egress, dns, host *Action) *Action {
	switch k {
	case rules.KindPublished:
		return published
	case rules.KindDirect:
		return direct
	case rules.KindBetween:
		return between
	case rules.KindEgress:
		return egress
	case rules.KindDNS:
		return dns
	case rules.KindHost:
		return host
	}
	panic("policy: no default for " + string(k))
}
