package compile

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"dockwall/rules/policy"
)

func TestOverlaps(t *testing.T) {
	prefix := rapid.Custom(func(t *rapid.T) netip.Prefix {
		a := netip.AddrFrom4([4]byte{10, byte(rapid.IntRange(0, 3).Draw(t, "b")), 0, byte(rapid.IntRange(0, 3).Draw(t, "d"))})
		bits := rapid.IntRange(0, 32).Draw(t, "bits")
		if rapid.Bool().Draw(t, "v6") {
			a = netip.AddrFrom16([16]byte{0xfd, 15: a.As4()[3]})
			bits *= 4
		}
		return netip.PrefixFrom(a, bits)
	})
	rapid.Check(t, func(t *rapid.T) {
		var list []netip.Prefix
		for _, p := range rapid.SliceOfN(prefix, 0, 12).Draw(t, "list") {
			list = append(list, p.Masked())
		}
		list = policy.SortPrefixes(list)
		p := prefix.Draw(t, "prefix")
		if got, want := overlaps(list, p), slices.ContainsFunc(list, p.Overlaps); got != want {
			t.Errorf("%v overlaps one of %v: %v, want %v", p, list, got, want)
		}
	})
}
