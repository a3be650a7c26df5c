package kernel

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"

	"dockwall/netinfo"
	"dockwall/rules"
)

// frameChunk is how many members one netlink message takes: an attribute holds
// 64 kB, a member takes some 40 bytes.
const frameChunk = 500

// The sets of the table.
const (
	setForeign = "foreign"
	setTagged  = "tagged"
	setBound   = "bound"
	setKnown4  = "known4"
	setKnown6  = "known6"
	setPlaces4 = "places4"
	setPlaces6 = "places6"
	setSeen4   = "seen4"
	setSeen6   = "seen6"
)

var (
	placeType4 = nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeIPAddr)
	placeType6 = nftables.MustConcatSetType(nftables.TypeIFIndex, nftables.TypeIP6Addr)
)

// frameSet is a set with its members as the kernel has them, sorted.
type frameSet struct {
	name    string
	key     nftables.SetDatatype
	members []string
	// interval: a member is the first address of a range, or, with endMark behind it,
	// the first address after it.
	interval bool
}

// endMark marks the end of a range among the members of an interval set.
const endMark = "\x01"

// frameSets are the sets of the table, always in the same order.
func frameSets(f rules.Frames) []frameSet {
	known4, known6 := addrKeys(f.Known())
	places4, places6 := placeKeys(f.Places)
	sets := []frameSet{
		exact(setForeign, nftables.TypeIFIndex, portKeys(f.Foreign)),
		exact(setKnown4, nftables.TypeIPAddr, known4), exact(setKnown6, nftables.TypeIP6Addr, known6),
		exact(setPlaces4, placeType4, places4), exact(setPlaces6, placeType6, places6),
	}
	if f.NoTags {
		sets = append(sets, exact(setTagged, nftables.TypeIFIndex, portKeys(f.Tagged)))
	}
	if f.Hold {
		seen4, seen6 := placeKeys(f.Seen)
		sets = append(sets, exact(setBound, nftables.TypeIFIndex, portKeys(f.Bound())),
			exact(setSeen4, placeType4, seen4), exact(setSeen6, placeType6, seen6))
	}
	if f.Guard.On {
		sets = append(sets, guardSets(f.Guard)...)
	}
	for i := range sets {
		slices.Sort(sets[i].members)
		sets[i].members = slices.Compact(sets[i].members)
	}
	return sets
}

func exact(name string, key nftables.SetDatatype, members []string) frameSet {
	return frameSet{name: name, key: key, members: members}
}

func portKeys(ports []int) []string {
	keys := make([]string, 0, len(ports))
	for _, p := range ports {
		keys = append(keys, string(word(uint32(p))))
	}
	return keys
}

func addrKeys(as []netip.Addr) (v4, v6 []string) {
	for _, a := range as {
		if a.Is4() {
			v4 = append(v4, string(a.AsSlice()))
		} else {
			v6 = append(v6, string(a.AsSlice()))
		}
	}
	return v4, v6
}

func placeKeys(ps []netinfo.Place) (v4, v6 []string) {
	for _, p := range ps {
		key := string(append(word(uint32(p.Port)), p.Addr.AsSlice()...))
		if p.Addr.Is4() {
			v4 = append(v4, key)
		} else {
			v6 = append(v6, key)
		}
	}
	return v4, v6
}

// differing returns what only the one, and what only the other sorted list has.
func differing(a, b []string) (less, more []string) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] < b[j]:
			less = append(less, a[i])
			i++
		case a[i] > b[j]:
			more = append(more, b[j])
			j++
		default:
			i++
			j++
		}
	}
	return append(less, a[i:]...), append(more, b[j:]...)
}

func elements(keys []string) []nftables.SetElement {
	es := make([]nftables.SetElement, 0, len(keys))
	for _, k := range keys {
		es = append(es, nftables.SetElement{Key: []byte(k)})
	}
	return es
}

// elements are the set's members.
func (s frameSet) elements(keys []string) []nftables.SetElement {
	es := elements(keys)
	for i, k := range keys {
		if start, end := strings.CutSuffix(k, endMark); s.interval && end && len(k) > int(s.key.Bytes) {
			es[i] = nftables.SetElement{Key: []byte(start), IntervalEnd: true}
		}
	}
	return es
}

// elementKey is the member that the kernel lists so.
func elementKey(e nftables.SetElement) string {
	if e.IntervalEnd {
		return string(e.Key) + endMark
	}
	return string(e.Key)
}
