package iptables

import (
	"iter"
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// setEdit is what is to be done to one set.
type setEdit struct {
	want wantedSet
	old  *SetState // nil: not there
	// replace: the set is filled under a temporary name and swapped in.
	replace bool
	// idle: no rule looks at it yet; it was left by a run that was killed.
	idle bool
	// gone leave before the rules flip, come join after it; of an idle set both
	// before.
	gone, kept, come []rules.Member
}

// set is the set of that name as it is; nil if not there.
func (d *diff) set(name string) *SetState {
	if i, ok := d.there[name]; ok {
		return &d.state.Sets[i]
	}
	return nil
}

func (d *diff) editSets() {
	for _, w := range d.wanted {
		old := d.set(w.name)
		e := setEdit{want: w, old: old}
		if old != nil {
			if !d.replaced(*old, w) && EqualMembers(old.Members, w.members) {
				continue // most sets, most of the time: no lists are made
			}
			e.gone, e.kept, e.come = splitMembers(old.Members, w.members)
			e.replace = d.replaced(*old, w)
			e.idle = !e.replace && !d.lookedAt(w.name)
		}
		d.sets = append(d.sets, e)
	}
	wanted := make(map[string]bool, len(d.wanted))
	for _, w := range d.wanted {
		wanted[w.name] = true
	}
	for i := range d.state.Sets {
		s := &d.state.Sets[i]
		if !wanted[s.Name] && Family(s.Family) != d.leftOut {
			d.stale = append(d.stale, s)
		}
	}
}

// lookedAt reports whether a rule that is there goes by the set.
func (d *diff) lookedAt(set string) bool {
	if d.looked == nil {
		d.looked = map[string]bool{}
		for r := range d.state.rules() {
			for name := range lookups(r) {
				d.looked[name] = true
			}
		}
	}
	return d.looked[set]
}

// lookups are the sets that the rule looks at.
func lookups(rule string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for {
			_, rest, found := strings.Cut(rule, "--match-set ")
			if !found {
				return
			}
			name, rest, _ := strings.Cut(rest, " ")
			if !yield(name) {
				return
			}
			rule = rest
		}
	}
}

// replaced: what cannot be repaired in place. A set under a content name never
// changes while it is looked at.
func (d *diff) replaced(old SetState, w wantedSet) bool {
	return old.Odd || old.MaxElem < len(w.members) || !w.inPlace && !EqualMembers(old.Members, w.members)
}

// clashes are the wanted sets whose name is taken by a set of another type,
// left by another version. Such a set cannot be swapped or, while rules look
// at it, renamed; the ruleset uses other names until it is gone.
func (d *diff) clashes(rs rules.Ruleset) map[string]string {
	out := map[string]string{}
	for _, set := range rs.Sets {
		for _, f := range []Family{V4, V6} {
			old := d.set(kernelSet(set.Name, f))
			if old != nil && (old.Type != string(set.Type) || old.Family != int(f)) {
				out[set.Name] = rules.PurposeName("alt", set.Name, string(set.Type))
			}
		}
	}
	return out
}

// renameSets is the ruleset with other names for some of its sets.
func renameSets(rs rules.Ruleset, names map[string]string) rules.Ruleset {
	if len(names) == 0 {
		return rs
	}
	out := rules.Ruleset{Hooks: rs.Hooks}
	for _, s := range rs.Sets {
		if n, ok := names[s.Name]; ok {
			s.Name = n
		}
		out.Sets = append(out.Sets, s)
	}
	for _, c := range rs.Chains {
		c.Rules = slices.Clone(c.Rules)
		for i := range c.Rules {
			c.Rules[i].Match = slices.Clone(c.Rules[i].Match)
			for j, m := range c.Rules[i].Match {
				if in, ok := m.(rules.InSet); ok && names[in.Set] != "" {
					in.Set = names[in.Set]
					c.Rules[i].Match[j] = in
				}
			}
		}
		out.Chains = append(out.Chains, c)
	}
	return out
}

// initial are the members that the new set is filled with before any rule
// flips: all, except one that replaces a set that a rule matches.
func (e setEdit) initial() []rules.Member {
	if e.old != nil && e.want.inPlace {
		return e.kept
	}
	return e.want.members
}

// prepareSets makes new sets. Nothing looks at them yet.
func (d *diff) prepareSets() []plan.Step {
	var create script
	var fill []plan.SetOp
	for _, e := range d.sets {
		name := e.want.name
		switch {
		case e.idle:
			fill = append(fill, members(plan.DeleteMembers, name, e.gone, e.want.origin)...)
			fill = append(fill, members(plan.AddMembers, name, e.come, e.want.origin)...)
			continue
		case e.old == nil:
		case e.replace:
			if name = tempSet(name); d.set(name) != nil {
				create.frame("destroy " + name)
			}
		default:
			continue
		}
		create.add(e.want.create(name), e.want.origin)
		fill = append(fill, members(plan.AddMembers, name, e.initial(), e.want.origin)...)
	}
	return append(ipset(create, "make the new sets", strict), editSets(fill, "fill the new sets", strict)...)
}

// shrinkSets takes out what does not belong any more, and swaps in what was
// filled again.
func (d *diff) shrinkSets() []plan.Step {
	var ops []plan.SetOp
	for _, e := range slices.Backward(d.sets) {
		switch {
		case e.old == nil || e.idle:
		case e.replace:
			temp := tempSet(e.want.name)
			ops = append(ops, plan.SetOp{Verb: plan.SwapSets, Set: temp, To: e.want.name, Origin: e.want.origin},
				plan.SetOp{Verb: plan.DestroySet, Set: temp, Origin: e.want.origin})
		default:
			ops = append(ops, members(plan.DeleteMembers, e.want.name, e.gone, e.want.origin)...)
		}
	}
	return editSets(ops, "take members out of sets", exist)
}

func (d *diff) growSets() []plan.Step {
	var g growth
	for _, e := range d.sets {
		if e.old != nil && e.want.inPlace && !e.idle {
			g.add(e.want.plain, e.want.after, e.want.family, e.come, e.want.origin)
		}
	}
	return g.steps("add members to sets")
}

// destroySets removes what nothing looks at any more, one by one: one that is
// held by another program must not keep the others.
func (d *diff) destroySets() []plan.Step {
	var out []plan.Step
	for _, s := range d.stale {
		if isTemp(s.Name) && slices.ContainsFunc(d.sets, func(e setEdit) bool {
			return e.replace && tempSet(e.want.name) == s.Name
		}) {
			continue
		}
		out = append(out, editSets([]plan.SetOp{{Verb: plan.DestroySet, Set: s.Name}}, "destroy an old set", strict)...)
	}
	return out
}

// undoBefore brings the sets back that the old rules look at, and takes out
// what they did not let through.
func (d *diff) undoBefore() []plan.Step {
	var create script
	var ops []plan.SetOp
	for _, old := range d.stale {
		if isTemp(old.Name) || old.Odd {
			continue
		}
		w := wantedSet{name: old.Name, typ: rules.SetType(old.Type), family: Family(old.Family)}
		create.frame(w.createSized(old.Name, len(old.Members), old.MaxElem))
		ops = append(ops, members(plan.AddMembers, old.Name, old.Members, rules.Origin{})...)
	}
	for _, e := range slices.Backward(d.sets) {
		if e.old != nil {
			ops = append(ops, members(plan.DeleteMembers, e.want.name, e.come, e.want.origin)...)
		}
	}
	return append(ipset(create, "make the old sets again", exist), editSets(ops, "bring the old sets back", exist)...)
}

// undoAfter adds what was taken out, and destroys what was made.
func (d *diff) undoAfter() []plan.Step {
	var ops []plan.SetOp
	for _, e := range d.sets {
		if e.old != nil {
			ops = append(ops, members(plan.AddMembers, e.want.name, e.gone, e.want.origin)...)
		}
	}
	out := editSets(ops, "put members back into sets", exist)
	for _, e := range d.sets {
		name := e.want.name
		if e.old != nil {
			if !e.replace {
				continue
			}
			name = tempSet(name)
		}
		for _, st := range editSets([]plan.SetOp{{Verb: plan.DestroySet, Set: name}}, "destroy a set that was made", strict) {
			st.MayFail = true
			out = append(out, st)
		}
	}
	return out
}
