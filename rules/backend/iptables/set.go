package iptables

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"

	"dockwall/rules"
	"dockwall/rules/plan"
)

const (
	sets4 = "dockwall4-"
	sets6 = "dockwall6-"
	// minElem is ipset's default maxelem, minHash the least hashsize: it grows by
	// itself, and listing sets has the kernel walk all of each hash.
	minElem = 65536
	minHash = 64
)

// SetState is a set of ours as the kernel has it.
type SetState struct {
	Name   string // the kernel's, dockwall4-… or dockwall6-…
	Type   string
	Family int
	// MaxElem is how many members it can hold.
	MaxElem int
	// Odd: it was made or filled in a way that dockwall never does.
	Odd bool
	// Members are sorted.
	Members []rules.Member
}

func setPrefix(f Family) string {
	if f == V6 {
		return sets6
	}
	return sets4
}

// KernelSets are the names that the kernel knows a set of the ruleset by, one of each
// family.
func KernelSets(name string) [2]string { return [2]string{kernelSet(name, V4), kernelSet(name, V6)} }

func kernelSet(name string, f Family) string { return setPrefix(f) + name }

// tempSet is the name under which a set is filled. It says which set it is for,
// so that what a killed run left is found.
func tempSet(kernel string) string {
	return kernel[:len(sets4)] + rules.PurposeName(strings.TrimSuffix(tempSets, "-"), kernel)
}

func isTemp(kernel string) bool {
	return len(kernel) > len(sets4) && strings.HasPrefix(kernel[len(sets4):], tempSets)
}

// wantedSet is a set as it has to be in one family.
type wantedSet struct {
	name    string // the kernel's
	typ     rules.SetType
	family  Family
	inPlace bool
	// plain is its name in the ruleset; after is the ruleset's.
	plain, after string
	gate         bool // as the ruleset's
	members      []rules.Member
	origin       rules.Origin
}

// wantedSets projects the ruleset's sets on the kernel's, one of each family.
func wantedSets(rs rules.Ruleset, f Family) []wantedSet {
	out := make([]wantedSet, 0, len(rs.Sets))
	for _, s := range rs.Sets {
		out = append(out, wantedSet{name: kernelSet(s.Name, f), plain: s.Name, after: s.After, gate: s.Gate, typ: s.Type, family: f, inPlace: s.InPlace,
			members: projectMembers(s.Members, f), origin: s.Origin})
	}
	return out
}

// compare puts gates last.
func (w wantedSet) compare(other wantedSet) int {
	switch {
	case w.gate == other.gate:
		return 0
	case w.gate:
		return 1
	}
	return -1
}

// projectMembers keeps the family's members, which are a run of the sorted
// list, and writes a /0 as its two halves: a hash of networks holds no /0.
func projectMembers(ms []rules.Member, f Family) []rules.Member {
	six := sort.Search(len(ms), func(i int) bool { return !ms[i].Prefix.Addr().Is4() })
	run := ms[:six:six]
	if f == V6 {
		run = ms[six:]
	}
	// Of one family, a /0 comes first.
	split := len(run) > 0 && run[0].Prefix.Bits() == 0
	if !split {
		return slices.Clip(run)
	}
	var out []rules.Member
	for _, m := range run {
		if m.Prefix.Bits() > 0 {
			out = append(out, m)
			continue
		}
		low, high := halves(m.Prefix)
		out = append(out, rules.Member{Prefix: low, Proto: m.Proto, Port: m.Port},
			rules.Member{Prefix: high, Proto: m.Proto, Port: m.Port})
	}
	return rules.SortMembers(out)
}

func halves(all netip.Prefix) (low, high netip.Prefix) {
	b := all.Addr().AsSlice()
	b[0] = 0x80
	top, _ := netip.AddrFromSlice(b)
	return netip.PrefixFrom(all.Addr(), 1), netip.PrefixFrom(top, 1)
}

// maxElem leaves room to grow: the next power of two above what is wanted.
func maxElem(n int) int {
	m := minElem
	for m <= n {
		m *= 2
	}
	return m
}

// hashSize saves the kernel from growing the hash while it is filled; a bucket
// takes several members.
func hashSize(n int) int {
	h := minHash
	for h < n/4 {
		h *= 2
	}
	return h
}

func (w wantedSet) create(name string) string {
	return w.createSized(name, len(w.members), maxElem(len(w.members)))
}

func (w wantedSet) createSized(name string, n, most int) string {
	inet := "inet"
	if w.family == V6 {
		inet = "inet6"
	}
	return fmt.Sprintf("create %s %s family %s hashsize %d maxelem %d", name, w.typ, inet, hashSize(n), most)
}

// SetText is the ipset restore script that makes the family's sets on a host
// that has none of them.
func SetText(rs rules.Ruleset, f Family) plan.Script {
	var s script
	for _, w := range wantedSets(rs, f) {
		s.add(w.create(w.name), w.origin)
		addMembers(&s, w.name, w.members, w.origin)
	}
	return s.text()
}

func addMembers(s *script, name string, ms []rules.Member, o rules.Origin) {
	for _, m := range ms {
		s.add("add "+name+" "+m.String(), o)
	}
}

// splitMembers compares two sorted lists.
func splitMembers(have, want []rules.Member) (gone, kept, come []rules.Member) {
	i, j := 0, 0
	for i < len(have) && j < len(want) {
		switch c := have[i].Compare(want[j]); {
		case c < 0:
			gone = append(gone, have[i])
			i++
		case c > 0:
			come = append(come, want[j])
			j++
		default:
			kept = append(kept, have[i])
			i++
			j++
		}
	}
	return append(gone, have[i:]...), kept, append(come, want[j:]...)
}

// EqualMembers compares two lists, which are often one and the same.
func EqualMembers(a, b []rules.Member) bool {
	if len(a) != len(b) {
		return false
	}
	return len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b)
}
