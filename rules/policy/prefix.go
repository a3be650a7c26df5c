package policy

import (
	"net/netip"
	"slices"
)

// SortPrefixes masks, sorts and removes duplicates, in place. It does not merge
// neighbours: a set shows what the file says.
func SortPrefixes(ps []netip.Prefix) []netip.Prefix {
	for i, p := range ps {
		ps[i] = p.Masked()
	}
	slices.SortFunc(ps, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(ps)
}
