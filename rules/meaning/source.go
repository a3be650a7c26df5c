package meaning

import (
	"net/netip"

	"github.com/gaissmai/bart"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/trace"
)

// source is where a packet comes from.
type source struct {
	nic  string
	addr netip.Addr
}

func aboutSource(m rules.Match) bool {
	switch m := m.(type) {
	case rules.Source, rules.SourceMAC:
		return true
	case rules.InSet:
		return m.Dims[0] == rules.Src
	}
	return false
}

func aboutIn(m rules.Match) bool {
	switch m.(type) {
	case rules.InInterface, rules.InBridgePort:
		return true
	}
	return false
}

func aboutOut(m rules.Match) bool {
	_, ok := m.(rules.OutInterface)
	return ok
}

func aboutDestination(m rules.Match) bool {
	switch m := m.(type) {
	case rules.Destination:
		return true
	case rules.InSet:
		return m.Dims[0] == rules.Dst
	}
	return false
}

// outsideSources are the classes of addresses that are not containers'. An
// interface tells nothing of an address, so it is a matter of its own.
func (c *comparison) outsideSources() []class[source] {
	o := trace.NewOutline(aboutSource, c.before, c.after)
	var cs classes[source]
	c.outsidePrefixes(rules.Src, func(a netip.Addr, p netip.Prefix, label string) {
		c.prefixOf[label] = p
		cs.add(family(a)+o.Of(trace.Packet{Src: a, Dst: a, Unknown: trace.FieldSrcMAC}), source{addr: a}, label)
	})
	return cs.list
}

// outsidePrefixes yields an address for every prefix that may be outside.
func (c *comparison) outsidePrefixes(side rules.Dim, yield func(a netip.Addr, p netip.Prefix, label string)) {
	inside := new(bart.Lite)
	for _, n := range c.s.Networks {
		for _, p := range n.Subnets {
			if n.Bridge != "" {
				inside.Insert(p.Masked())
			}
		}
	}
	ps := prefixes(side, c.rulesets[0], c.rulesets[1])
	if side == rules.Src {
		for _, p := range ps {
			c.looked[p] = true
		}
	}
	for i, a := range lone(ps) {
		if a.IsValid() && !a.IsLoopback() && !inside.Contains(a) {
			yield(a, ps[i], prefixLabel(ps[i], side, len(ps) == 2))
		}
	}
}

// prefixLabel names a prefix; what is in none of the others is the rest.
func prefixLabel(p netip.Prefix, side rules.Dim, only bool) string {
	if p.Bits() > 0 {
		if p.IsSingleIP() {
			return p.Addr().String()
		}
		return p.String()
	}
	word := "everyone"
	if side == rules.Dst {
		word = "anywhere"
	}
	if !only {
		word += " else"
	}
	return word + " (IPv" + family(p.Addr()) + ")"
}

func family(a netip.Addr) string {
	if a.Is6() {
		return "6"
	}
	return "4"
}

// otherNIC is a name that no host has, for what holds of an interface that
// will come; otherNICs is what it is called.
const (
	otherNIC  = "eth-none"
	otherNICs = "other interfaces"
)

// nics are the classes of interfaces outside.
func (c *comparison) nics(o *trace.Outline) []class[string] {
	var cs classes[string]
	for _, name := range append(outsideNICs(c.s), otherNIC) {
		label := name
		if name == otherNIC {
			label = otherNICs
		}
		cs.add(o.Of(trace.Packet{In: name, Out: name, Unknown: trace.FieldInPort}), name, label)
	}
	return cs.list
}

// outsideNICs are the interfaces that are neither lo, nor a Docker bridge, nor
// a port of a bridge or bond.
func outsideNICs(s netinfo.Snapshot) []string {
	docker := map[string]bool{"lo": true}
	for _, n := range s.Networks {
		docker[n.Bridge] = true
	}
	holders := map[int]bool{}
	for _, l := range s.Links {
		if l.Kind == "bridge" || l.Kind == "bond" || l.Kind == "team" {
			holders[l.Index] = true
		}
	}
	var names []string
	for _, l := range s.Links {
		if !docker[l.Name] && !l.Unplaced && (l.Master == 0 || !holders[l.Master]) {
			names = append(names, l.Name)
		}
	}
	return names
}

// containerSources are the classes of containers, on each bridge.
func (c *comparison) containerSources() []class[source] {
	o := trace.NewOutline(func(m rules.Match) bool { return aboutSource(m) || aboutIn(m) }, c.before, c.after)
	var cs classes[source]
	c.endpoints(func(n netinfo.Network, ct *netinfo.Container, a netip.Addr) {
		p := trace.Packet{In: n.Bridge, Src: a, Dst: a, Unknown: trace.FieldSrcMAC | trace.FieldInPort}
		cs.add(n.Bridge+" "+family(a)+o.Of(p), source{n.Bridge, a}, ct.Name)
	})
	return cs.list
}

// endpoints yields every container's addresses on bridges.
func (c *comparison) endpoints(yield func(n netinfo.Network, ct *netinfo.Container, a netip.Addr)) {
	for i := range c.s.Containers {
		ct := &c.s.Containers[i]
		for _, e := range ct.Endpoints {
			n, ok := c.networks[e.NetworkID]
			if !ok || n.Bridge == "" {
				continue
			}
			for _, a := range e.Addrs {
				yield(n, ct, a)
			}
		}
	}
}
