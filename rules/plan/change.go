package plan

import "slices"

// Change is one thing that will be different, for people and for diff.
type Change struct {
	Kind ChangeKind `json:"kind"`
	// Family is 4 or 6; 0 if it is both.
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
	ChangeChain ChangeKind = "chain" // the rules of a chain of dockwall's
	ChangeJump  ChangeKind = "jump"  // a jump in a chain of another program
	ChangeSet   ChangeKind = "set"   // a set of dockwall's
)

// ChangeKinds are all of them.
func ChangeKinds() []ChangeKind { return []ChangeKind{ChangeChain, ChangeJump, ChangeSet} }

// GoneAndCome takes away what is in both lists, unless nothing would be left: then the
// order is what changes, and all of it is shown.
func GoneAndCome(from, to []string) (gone, come []string) {
	count := map[string]int{}
	for _, s := range to {
		count[s]++
	}
	for _, s := range from {
		if count[s] > 0 {
			count[s]--
		} else {
			gone = append(gone, s)
		}
	}
	for _, s := range slices.Backward(to) {
		if count[s] > 0 {
			count[s]--
			come = append(come, s)
		}
	}
	slices.Reverse(come)
	if len(gone)+len(come) == 0 {
		return from, to
	}
	return gone, come
}
