package compile

import (
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules"
)

// A set that another program empties (ipset flush) must open nothing. Where a rule
// refuses by membership, a second rule says the same in another way:
//
//	published ports    a set of the same members; if both are empty, the set of
//	                   addresses that docker-proxy may dial is empty as well
//	restricted         those that no block restricts are in a set of their own, and
//	containers         only these get as far as the defaults
//	networks' ports    the set of the ports that the general default decides has none
//	                   of the networks that a block speaks of
//	subnets            a rule each
//	routed ports       a second set of the same members, if direct is allowed anywhere
//	quarantine         new connections meet a second set of the same members, and pass only
//	                   between addresses in the set of those that are cleared
//	ports of           a second set of the same members. If both are empty the ports are
//	containers on the  open until the agent looks again, several times a second: no later
//	host's network     rule knows the container
//
// Lists of addresses in "block" and "except" are not among these: an empty list cannot
// say what was on it. Neither is the set of the sources that can be forged, in which
// every packet that comes in is looked up. The agent looks at these several
// times a second instead.

// toPublished sends what comes to a published port to the chain. A port that is
// found in neither set is the host's own: it must not be closed because of an empty
// set. So there are two.
func (b *paths) toPublished(c *chain, to string) {
	c.add(b.goTo(to, byDispatch, b.publishedPorts()), b.goTo(to, byDispatch, b.publishedPortsNamed("again")))
}

// holdUnlisted stops a source that is neither in one of the sets that restrict it
// nor in the one of all others.
func (b *paths) holdUnlisted(c *chain, name string, cs []choice) {
	words := []string{"free", name}
	for _, ch := range cs {
		if len(ch.from) == 0 {
			return // the block restricts every container, and asks no set
		}
		words = append(words, strings.Join(selectorWords(ch.from), " "))
	}
	slices.Sort(words[2:])
	free := func(ct netinfo.Container) []rules.Member {
		ms := b.sending(nil, ct)
		for _, ch := range cs {
			chosen := b.sending(ch.from, ct)
			ms = slices.DeleteFunc(ms, func(m rules.Member) bool { return slices.Contains(chosen, m) })
		}
		return ms
	}
	set := rules.PurposeName("u", slices.Compact(words)...)
	b.gather(rules.Set{Name: set, Type: rules.HashNet, InPlace: true, Origin: byHold}, free, b.strangers()...)
	b.holdRules(c, rules.InSet{Set: set, Dims: []rules.Dim{rules.Src}, Not: true})
}

// Unguarded names the sets whose loss opens something in spite of the second rules:
// lists of addresses that are refused, or excepted from what is allowed, those of
// containers in quarantine (their established connections go on), the sources that can be
// forged, and the ports of containers on the host's network.
func Unguarded(rs rules.Ruleset) []string {
	var names []string
	for _, c := range rs.Chains {
		for _, r := range c.Rules {
			blocks := refuses(r.Verdict)
			for _, m := range r.Match {
				in, ok := m.(rules.InSet)
				if ok && (in.Not && r.Verdict.Kind == rules.Return || !in.Not && blocks) {
					names = append(names, in.Set)
				}
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// refuses reports whether what a rule with this verdict matches is refused for the set that
// it was found in.
func refuses(v rules.Verdict) bool {
	if v.Kind != rules.Goto && v.Kind != rules.Jump {
		return false
	}
	return strings.HasPrefix(v.Chain, chainBlocked) || strings.HasPrefix(v.Chain, chainQuarantine) || v.Chain == chainSources || v.Chain == chainHostPorts
}
