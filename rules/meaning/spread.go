package meaning

import (
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
)

// Spread cuts the addresses of both families where the ruleset's lookups on
// that side of a packet do, and at the prefixes given besides. It returns the
// prefixes, sorted, and for each an address that is in it and in none of the
// longer ones inside; an invalid one where those leave none.
func Spread(side rules.Dim, rs rules.Ruleset, more []netip.Prefix) ([]netip.Prefix, []netip.Addr) {
	ps := policy.SortPrefixes(append(prefixes(side, rs), more...))
	return ps, lone(ps)
}

// NICs are the interfaces that packets from outside come in by: neither lo,
// nor a Docker bridge, nor a port of a bridge or bond. OtherNIC stands for one
// that is not there yet.
func NICs(s netinfo.Snapshot) []string { return outsideNICs(s) }

// OtherNIC is a name that no host has.
const OtherNIC = otherNIC

// Natural orders names as people do: web-2 before web-10.
func Natural(a, b string) int { return natural(a, b) }

// Cuts are the ports of the protocol at which a rule begins to ask for
// something else, sorted, 1 among them: one of each run between two stands for
// the whole run.
func Cuts(proto rules.Protocol, rs rules.Ruleset) []uint16 {
	starts := []uint16{1}
	for _, d := range append(namedPorts(proto, true, []rules.Ruleset{rs}), dialledPorts(proto, rs)...) {
		starts = append(starts, max(1, d.Lo))
		if d.Hi < 65535 {
			starts = append(starts, d.Hi+1)
		}
	}
	slices.Sort(starts)
	return slices.Compact(starts)
}

// dialledPorts are those that rules ask for as they were before DNAT.
func dialledPorts(proto rules.Protocol, rs rules.Ruleset) []rules.DestPort {
	var ds []rules.DestPort
	for _, c := range rs.Chains {
		for _, r := range c.Rules {
			of := false
			for _, m := range r.Match {
				switch m := m.(type) {
				case rules.Proto:
					of = m.Proto == proto
				case rules.Conn:
					if of && m.OrigDestLo != 0 {
						ds = append(ds, rules.DestPort{Lo: m.OrigDestLo, Hi: m.OrigDestHi})
					}
				}
			}
		}
	}
	return ds
}
