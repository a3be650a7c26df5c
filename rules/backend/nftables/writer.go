package nftables

import (
	"maps"
	"slices"

	"dockwall/rules"
	"dockwall/rules/nft"
)

// writer renders one ruleset.
type writer struct {
	// sets are the kernel's, by the ruleset's name.
	sets map[string]*kernelSet
	// bases are the names of the kernel's sets by the ruleset's.
	bases map[string]string
	// have is what the kernel holds; there are its sets by base.
	have  State
	there map[string][]*nft.Set
}

func newWriter(rs rules.Ruleset, have State) *writer {
	w := &writer{sets: make(map[string]*kernelSet, len(rs.Sets)), bases: baseNames(rs.Sets), have: have, there: map[string][]*nft.Set{}}
	if have.Table != nil {
		for i := range have.Table.Sets {
			set := &have.Table.Sets[i]
			if base, _, _, ok := split(set.Name); ok {
				w.there[base] = append(w.there[base], set)
			}
		}
	}
	for _, s := range rs.Sets {
		w.sets[s.Name] = w.kernelSet(s)
	}
	return w
}

// kernelSet finds out which lengths the set has. Those of a set that is edited in place stay
// once they are there: otherwise each member that goes could change rules.
func (w *writer) kernelSet(s rules.Set) *kernelSet {
	k := &kernelSet{base: w.bases[s.Name], typ: s.Type}
	if w.kept(s) {
		for _, set := range w.there[k.base] {
			_, family, bits, _ := split(set.Name)
			k.add(family, bits)
		}
		k.sort()
		return k
	}
	var seen [2][129]bool
	for _, m := range s.Members {
		is6 := 0
		if m.Prefix.Addr().Is6() {
			is6 = 1
		}
		if there := &seen[is6][m.Prefix.Bits()]; !*there {
			*there = true
			k.add(families[is6], m.Prefix.Bits())
		}
	}
	four, six := usual(s)
	k.four, k.six = append(k.four, four...), append(k.six, six...)
	if s.InPlace {
		for _, set := range w.there[k.base] {
			if _, family, bits, _ := split(set.Name); set.Alike(nft.Set{Key: keyTypes(s.Type, family)}) {
				k.add(family, bits)
			}
		}
	}
	k.sort()
	return k
}

// kept reports whether the kernel's sets were written from these very members.
func (w *writer) kept(s rules.Set) bool {
	from, ok := w.have.from[w.bases[s.Name]]
	if !ok || s.InPlace || len(from) != len(s.Members) || len(from) == 0 || &from[0] != &s.Members[0] {
		return false
	}
	for _, set := range w.there[w.bases[s.Name]] {
		if _, family, _, _ := split(set.Name); !set.Alike(nft.Set{Key: keyTypes(s.Type, family)}) {
			return false
		}
	}
	return true
}

func (s *kernelSet) add(family, bits int) {
	if family == 6 {
		s.six = append(s.six, bits)
		return
	}
	s.four = append(s.four, bits)
}

func (s *kernelSet) sort() {
	slices.Sort(s.four)
	slices.Sort(s.six)
	s.four, s.six = slices.Compact(s.four), slices.Compact(s.six)
}

// write renders the sets of one of the ruleset's. Elements that are equal are the kernel's
// own.
func (w *writer) write(s rules.Set) []nft.Set {
	if w.kept(s) {
		var out []nft.Set
		for _, set := range w.there[w.bases[s.Name]] {
			out = append(out, *set)
		}
		return out
	}
	k := w.sets[s.Name]
	es := elements(s.Type, s.Members)
	var out []nft.Set
	for _, family := range families {
		for _, bits := range k.lengths(family) {
			set := nft.Set{Name: k.name(family, bits), Key: keyTypes(s.Type, family), Elements: es[place{family, bits}]}
			if old := w.have.set(set.Name); old != nil && old.Alike(set) && slices.EqualFunc(old.Elements, set.Elements, nft.Element.Equal) {
				set = *old
			} else if s.InPlace {
				set.Elements = slices.Clone(set.Elements) // Move edits the state's
			}
			out = append(out, set)
		}
	}
	return out
}

// bases are the table's own chains, where packets enter, and what enters there.
var bases = map[string]rules.Base{"forward": rules.BaseDockerUser, "input": rules.BaseInput, "output": rules.BaseOutput, "prerouting": rules.BasePrerouting}

// Priorities: before filter (NF_IP_PRI_FILTER, 0), since a drop is final and no other program's accept
// counts before it; and before connection tracking and raw (-300).
const (
	priority      = -1
	earlyPriority = -301
)

func hookOf(base rules.Base) *nft.Hook {
	if base == rules.BasePrerouting {
		return &nft.Hook{Point: nft.Prerouting, Priority: earlyPriority}
	}
	return &nft.Hook{Point: points[base], Priority: priority}
}

// rendered is a chain, and the origins of its lines.
type rendered struct {
	nft.Chain
	origins []rules.Origin
}

// chains renders the chains in the order in which a packet meets them. Those of the guard
// are left out, because a drop here is final, and those that only rules lead to that never
// hold.
func (w *writer) chains(rs rules.Ruleset) []rendered {
	var out []rendered
	seen := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		c, ok := rs.Chain(name)
		if seen[name] || !ok {
			return
		}
		seen[name] = true
		at := len(out)
		out = append(out, rendered{Chain: nft.Chain{Name: name}})
		for _, r := range c.Rules {
			lines, err := w.rule(r)
			if err != nil {
				panic("nftables: a ruleset that Check refuses: " + err.Error())
			}
			out[at].Rules = append(out[at].Rules, lines...)
			for range lines {
				out[at].origins = append(out[at].origins, r.Origin)
			}
		}
		for _, r := range out[at].Rules {
			if v, ok := last(r.Statements).(nft.Verdict); ok && v.Chain != "" {
				visit(v.Chain)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(bases)) {
		for _, h := range rs.Hooks {
			if h.Guard || h.Latch || h.Base != bases[name] {
				continue
			}
			out = append(out, rendered{Chain: nft.Chain{Name: name, Hook: hookOf(h.Base), Rules: []nft.Rule{entry(h.Chain)}}, origins: make([]rules.Origin, 1)})
			visit(h.Chain)
		}
	}
	return out
}

// entry is the only rule of a chain where packets enter: a chain that has a hook cannot be
// what rules lead to.
func entry(chain string) nft.Rule {
	return nft.Rule{Statements: nft.Statements{nft.Verdict{Kind: rules.Goto, Chain: chain}}, Comment: "every packet"}
}
