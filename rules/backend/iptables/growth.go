package iptables

import (
	"slices"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// growth gathers the members that come to sets, in the order in which the kernel
// is to have them: those of a set with an After come last, and where that other
// set has grown as well, a moment later.
type growth struct {
	first, last []plan.SetOp
	grown       map[string][]plan.SetOp // what first adds, by the ruleset's set
	afters      []string                // what the sets of last come after
}

// add takes what comes to the ruleset's set in the family. What a set comes after
// has no family: docker-proxy leads from one into the other.
func (g *growth) add(set, after string, f Family, come []rules.Member, o rules.Origin) {
	ops := members(plan.AddMembers, kernelSet(set, f), come, o)
	if len(ops) == 0 {
		return
	}
	if after == "" {
		if g.grown == nil {
			g.grown = map[string][]plan.SetOp{}
		}
		g.grown[set] = append(g.grown[set], ops...)
		g.first = append(g.first, ops...)
		return
	}
	g.last = append(g.last, ops...)
	g.afters = append(g.afters, after)
}

func (g *growth) steps(why string) []plan.Step { return g.after(nil, why) }

// after is the steps with others before them.
//
// What closes is added again just before what opens: another program may have emptied its
// set in the meantime (ipset flush), and what opens would be open until the agent looks again.
func (g *growth) after(ops []plan.SetOp, why string) []plan.Step {
	var again []plan.SetOp
	for i, set := range g.afters {
		if !slices.Contains(g.afters[:i], set) {
			again = append(again, g.grown[set]...)
		}
	}
	if len(again) == 0 {
		return editSets(slices.Concat(ops, g.first, g.last), why, exist)
	}
	out := editSets(slices.Concat(ops, g.first), why, exist)
	out = append(out, plan.Step{Action: plan.Settle{}, Why: "wait for what began before"})
	return append(out, editSets(slices.Concat(again, g.last), why, exist)...)
}
