package plan

import (
	"strings"

	"dockwall/rules"
)

// SetOp is one operation of EditSets.
type SetOp struct {
	Verb SetVerb
	// Set is the kernel's name; To is the other set of a swap.
	Set string
	To  string
	// Members are added or deleted. They are shared, and never written to.
	Members []rules.Member
	Origin  rules.Origin
}

// SetVerb says what an operation does; the words are ipset's.
type SetVerb string

// The verbs.
const (
	AddMembers    SetVerb = "add"
	DeleteMembers SetVerb = "del"
	SwapSets      SetVerb = "swap"
	DestroySet    SetVerb = "destroy"
)

// SetVerbs are all of them.
func SetVerbs() []SetVerb { return []SetVerb{AddMembers, DeleteMembers, SwapSets, DestroySet} }

// Script returns the operations as `ipset restore` reads them.
func (e EditSets) Script() Script {
	var s Script
	var b strings.Builder
	line := func(op SetOp, rest string) {
		b.WriteString(strings.TrimSuffix(string(op.Verb)+" "+op.Set+" "+rest, " ") + "\n")
		s.Lines = append(s.Lines, op.Origin)
	}
	for _, op := range e.Ops {
		if op.Members == nil {
			line(op, op.To)
		}
		for _, m := range op.Members {
			line(op, m.String())
		}
	}
	s.Body = b.String()
	return s
}
