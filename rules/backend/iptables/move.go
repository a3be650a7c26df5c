package iptables

import (
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// Move plans what the moves ask for where nothing else is to be done: removals
// first, then additions, so that every moment between is closed. The state
// becomes what it is once that has run; it must not be used where the plan fails.
// False: the sets are not as they should be, or too small, and Diff has to be
// asked, of a state that was read again.
//
// The members of sets that are edited in place are the state's own (Share,
// Advance): with thousands of containers, copying them took longer than all the
// rest.
func Move(moves []rules.Move, s State) (plan.Plan, bool) { return move(moves, s, []Family{V4, V6}) }

func move(moves []rules.Move, s State, families []Family) (plan.Plan, bool) {
	var m mover
	for _, mv := range moves {
		for _, f := range families {
			gone, come := projectMembers(mv.Gone, f), projectMembers(mv.Come, f)
			if len(gone)+len(come) == 0 {
				continue
			}
			i, there := slices.BinarySearchFunc(s.Sets, kernelSet(mv.Set, f), func(set SetState, name string) int { return strings.Compare(set.Name, name) })
			if !there {
				return plan.Plan{}, false
			}
			set := &s.Sets[i]
			if set.Odd || set.Family != int(f) || len(set.Members)+len(come)-len(gone) > set.MaxElem || !holds(set.Members, gone, come) {
				return plan.Plan{}, false
			}
			set.Members = rules.Edit(set.Members, gone, come)
			m.add(mv, f, gone, come)
		}
	}
	return m.plan(), true
}

// holds reports whether the members are as a move takes them to be.
func holds(ms, gone, come []rules.Member) bool {
	there := func(m rules.Member) bool {
		_, ok := slices.BinarySearchFunc(ms, m, rules.Member.Compare)
		return ok
	}
	return !slices.ContainsFunc(come, there) && !slices.ContainsFunc(gone, func(m rules.Member) bool { return !there(m) })
}

// mover gathers the operations.
type mover struct {
	changes                  []plan.Change
	shrink, regrow, reshrink []plan.SetOp
	grow                     growth
}

func (m *mover) add(mv rules.Move, f Family, gone, come []rules.Member) {
	set := kernelSet(mv.Set, f)
	m.changes = append(m.changes, plan.Change{Kind: plan.ChangeSet, Family: int(f), Set: set, Old: memberTexts(gone), New: memberTexts(come)})
	m.shrink = append(m.shrink, members(plan.DeleteMembers, set, gone, rules.Origin{})...)
	m.grow.add(mv.Set, mv.After, f, come, rules.Origin{})
	m.reshrink = append(m.reshrink, members(plan.DeleteMembers, set, come, rules.Origin{})...)
	m.regrow = append(m.regrow, members(plan.AddMembers, set, gone, rules.Origin{})...)
}

func (m *mover) plan() plan.Plan {
	return plan.Plan{
		Changes:  m.changes,
		Steps:    m.grow.after(m.shrink, "move members of sets"),
		Rollback: editSets(slices.Concat(m.reshrink, m.regrow), "move members of sets back", exist),
	}
}

// index finds sets by name.
func (s State) index() map[string]int {
	at := make(map[string]int, len(s.Sets))
	for i := range s.Sets {
		at[s.Sets[i].Name] = i
	}
	return at
}
