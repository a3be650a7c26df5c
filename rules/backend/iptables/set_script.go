package iptables

import (
	"dockwall/rules"
	"dockwall/rules/plan"
)

// What a step on sets does about a set or member that is there already, or is gone.
const (
	strict = false // it fails
	exist  = true  // it goes on
)

// editSets is the step that does the operations; none where there are none.
func editSets(ops []plan.SetOp, why string, exist bool) []plan.Step {
	if len(ops) == 0 {
		return nil
	}
	return []plan.Step{{Action: plan.EditSets{Exist: exist, Ops: ops}, Why: why}}
}

// ipset is the step that runs the script; none where it is empty.
func ipset(s script, why string, exist bool) []plan.Step {
	text := s.text()
	if text.Body == "" {
		return nil
	}
	return []plan.Step{{Action: plan.RestoreSets{Exist: exist, Script: text}, Why: why}}
}

// members is the operation on these; none where there are none.
func members(verb plan.SetVerb, set string, ms []rules.Member, o rules.Origin) []plan.SetOp {
	if len(ms) == 0 {
		return nil
	}
	return []plan.SetOp{{Verb: verb, Set: set, Members: ms, Origin: o}}
}
