package plan

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
	ChangeChain ChangeKind = "chain" // the rules of a chain of dockwall's
	ChangeJump  ChangeKind = "jump"  // a jump in a chain of another program
	ChangeSet   ChangeKind = "set"   // a set of dockwall's
)

// ChangeKinds are all of them.
func ChangeKinds() []ChangeKind { return []ChangeKind{ChangeChain, ChangeJump, ChangeSet} }
