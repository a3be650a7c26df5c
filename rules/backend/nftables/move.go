package nftables

import (
	"maps"
	"slices"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/nft"
	"dockwall/rules/plan"
)

// Move plans to move members of sets. It is one transaction, and another one a moment later
// for what opens where others close.
func (Backend) Move(moves []rules.Move, have backend.State) (plan.Plan, bool) {
	s := state(have)
	var p plan.Plan
	var undo nft.Ops
	t := transaction{grown: map[string]bool{}}
	for _, m := range moves {
		if len(m.Come) > 0 && m.After == "" {
			t.grown[m.Set] = true
		}
	}
	for _, m := range moves {
		base, ok := s.bases[m.Set]
		if !ok {
			return plan.Plan{}, false
		}
		for _, e := range moved(m) {
			set := s.set((&kernelSet{base: base}).name(e.at.family, e.at.bits))
			if set == nil || !set.Alike(nft.Set{Key: keyTypes(e.typ, e.at.family)}) || !holds(set.Elements, e.gone, e.come) {
				return plan.Plan{}, false
			}
			p.Changes = append(p.Changes, setChange(*set, e.gone, e.come))
			undo = append(undo, back(set.Name, e.gone, e.come)...)
			t.move(set.Name, m.After, e.gone, e.come)
			set.Elements = rules.EditFunc(set.Elements, e.gone, e.come, nft.Element.Compare)
		}
	}
	p.Steps = t.steps(nil, "move members of sets")
	if len(p.Steps) == 0 {
		return p, true
	}
	p.Rollback = []plan.Step{edit(undo, nil, "move members of sets back")}
	return p, true
}

// elementMove is a Move's part for one kernel set.
type elementMove struct {
	at         place
	typ        rules.SetType
	gone, come []nft.Element
}

func moved(m rules.Move) []elementMove {
	typ := rules.HashNet
	for _, x := range slices.Concat(m.Gone, m.Come) {
		if x.Proto != 0 {
			typ = rules.HashNetPort
		}
	}
	gone, come := elements(typ, m.Gone), elements(typ, m.Come)
	places := map[place]bool{}
	for p := range gone {
		places[p] = true
	}
	for p := range come {
		places[p] = true
	}
	var out []elementMove
	for _, p := range slices.SortedFunc(maps.Keys(places), place.compare) {
		out = append(out, elementMove{p, typ, gone[p], come[p]})
	}
	return out
}

func (p place) compare(o place) int {
	if p.family != o.family {
		return p.family - o.family
	}
	return p.bits - o.bits
}

// holds reports whether the elements are as a move takes them to be.
func holds(es, gone, come []nft.Element) bool {
	there := func(e nft.Element) bool {
		_, ok := slices.BinarySearchFunc(es, e, nft.Element.Compare)
		return ok
	}
	return !slices.ContainsFunc(come, there) && !slices.ContainsFunc(gone, func(e nft.Element) bool { return !there(e) })
}
