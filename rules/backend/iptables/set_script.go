package iptables

import (
	"dockwall/rules"
	"dockwall/rules/plan"
)

// editSets is the step that does the operations; none where there are none.
func editSets(ops []plan.SetOp, why string, extra ...string) []plan.Step {
	if len(ops) == 0 {
		return nil
	}
	return []plan.Step{{Argv: append([]string{plan.EditSets}, extra...), Sets: ops, Why: why}}
}

// members is the operation on these; none where there are none.
func members(verb, set string, ms []rules.Member, o rules.Origin) []plan.SetOp {
	if len(ms) == 0 {
		return nil
	}
	return []plan.SetOp{{Verb: verb, Set: set, Members: ms, Origin: o}}
}

// SetScript is what `ipset restore` takes to do the same as the operations of
// plan.EditSets.
func SetScript(ops []plan.SetOp) Text {
	var s script
	for _, op := range ops {
		switch {
		case op.Members != nil:
			for _, m := range op.Members {
				s.add(op.Verb+" "+op.Set+" "+memberText(m), op.Origin)
			}
		case op.To != "":
			s.add(op.Verb+" "+op.Set+" "+op.To, op.Origin)
		default:
			s.add(op.Verb+" "+op.Set, op.Origin)
		}
	}
	return s.text()
}
