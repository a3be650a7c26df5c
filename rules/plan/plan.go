// Package plan holds what is to be done to the kernel, as data.
//
// A Plan can be printed, compared, replayed on the fake kernel of ruletest and
// stopped between any two steps. It is for describing; running is the
// dataplane's, and deciding is the backend's (rules/backend/iptables).
//
// Invariants:
//
//  1. After every prefix of Steps each family holds the old ruleset or the new
//     one, whole; also where the last step but one of the prefix was left out, if
//     the last is Beside it.
//  2. Rollback, run after any such prefix of Steps, leads back to the old ruleset.
//
// Thread safety: values.
package plan

import (
	"errors"
	"slices"

	"dockwall/rules"
)

// Plan is the difference between the kernel as seen and the ruleset wanted,
// and the way from one to the other.
type Plan struct {
	// Changes are what people are shown. Empty: there is nothing to do.
	Changes []Change
	// Prepare is run first. It makes new sets and touches nothing that a packet
	// meets, so it is harmless by itself.
	Prepare []Step
	// Checks are run after Prepare (a rule can only be tested once its sets are
	// there), all of them, before any step; they change nothing
	// (iptables-restore --test).
	Checks []Step
	// Steps lead to the wanted state, in order.
	Steps []Step
	// Rollback leads back, whatever prefix of Steps and Cleanup was run.
	Rollback []Step
	// Cleanup is what may be left undone without harm (old sets); its
	// failures are retried with the next plan.
	Cleanup []Step
}

// Empty tells that the kernel is already as wanted.
func (p Plan) Empty() bool {
	return len(p.Changes) == 0 && len(p.Prepare) == 0 && len(p.Steps) == 0 && len(p.Cleanup) == 0
}

// DeleteTable is the Argv[0] of a step that is no command: {DeleteTable, "4" or
// "6", table} deletes an nftables table through netlink, and refuses where the
// table still holds a rule or a chain that is not one of iptables' base chains.
const DeleteTable = "@delete-table"

// EditSets is the Argv[0] of a step that is no command either: its Sets are
// done through netlink, in order, which for a few members takes a hundredth of
// the time that starting a process does. {EditSets, "-exist"}: what is already
// there, or already gone, is no error. iptables.SetScript has them as text.
const EditSets = "@edit-sets"

// Settle is the Argv[0] of a step that waits a moment: what the steps before it
// closed may have been passed by something just before, which has to come to its
// end before the steps after it would let it go on.
const Settle = "@settle"

// Settles tells that something may have been on its way while the plan was run.
func (p Plan) Settles() bool {
	return slices.ContainsFunc(p.Steps, func(s Step) bool { return s.Argv[0] == Settle })
}

// Lacks tells of an error of running a plan that only the rules of a kind are in
// the way that the ruleset does without (rules.Ruleset.Without).
func Lacks(err error) (rules.VerdictKind, bool) {
	var refused interface {
		Lacks() (rules.VerdictKind, bool)
	}
	if !errors.As(err, &refused) {
		return "", false
	}
	return refused.Lacks()
}

// SetOp is one thing that EditSets does.
type SetOp struct {
	// Verb is ipset's: add, del, swap, rename, destroy.
	Verb string
	// Set is the kernel's name; To is swap's and rename's other one.
	Set, To string
	// Members are add's and del's. They are shared, and never written to.
	Members []rules.Member
	Origin  rules.Origin
}

// Step is one command, run without a shell.
type Step struct {
	// Argv is the command. Argv[0] is a bare name that the dataplane looks up.
	Argv  []string
	Stdin string
	// Sets are what EditSets does.
	Sets []SetOp
	// Lines maps Stdin's lines (Lines[0] is line 1) to where they come from,
	// for the tool's "line 12 failed".
	Lines []rules.Origin
	// Why is one line for people.
	Why string
	// Beside: it may run at the same time as the step before it, which is of the other
	// family and does the same to it: either can be first, or the only one.
	Beside bool
	// MayFail: its failure is expected where what it undoes was never done, and
	// no reason to stop.
	MayFail bool
}

// Change is one thing that will be different, for people and for diff.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Family is 4 or 6.
	Family int `json:"family"`
	// Table and Chain, or Set, name the place.
	Table string `json:"table,omitempty"`
	Chain string `json:"chain,omitempty"`
	Set   string `json:"set,omitempty"`
	// Old and New are the lines (rules or members) that go and come.
	Old []string `json:"old,omitempty"`
	New []string `json:"new,omitempty"`
}

// ChangeKind says what sort of thing changes.
type ChangeKind string

// The kinds of change.
const (
	ChangeChain ChangeKind = "chain" // the rules of a chain of ours
	ChangeJump  ChangeKind = "jump"  // a jump in somebody else's chain
	ChangeSet   ChangeKind = "set"   // a set of ours
)

// ChangeKinds are all of them.
func ChangeKinds() []ChangeKind { return []ChangeKind{ChangeChain, ChangeJump, ChangeSet} }
