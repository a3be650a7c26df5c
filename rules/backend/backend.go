package backend

import (
	"dockwall/rules"
	"dockwall/rules/plan"
)

// State is what the kernel holds, as a backend read it. Only that backend looks into it.
// A nil State is a kernel without any trace of dockwall and of Docker.
type State interface {
	// Backend is the name of the backend that the state belongs to.
	Backend() string
}

// Backend writes rulesets in one language, in the way that this host and the settings
// allow.
type Backend interface {
	// Name is the backend's word in firewall.backend: iptables-nft, iptables-legacy.
	Name() string
	// Limits says what this backend does without on this host.
	Limits() Limits
	// Check returns an error that joins everything in the ruleset that the backend
	// cannot write. Diff is for rulesets that pass it.
	Check(want rules.Ruleset) error
	// Diff plans the steps from have to want, and returns the state after them.
	Diff(want rules.Ruleset, have State) (plan.Plan, State)
	// Move plans to move members of sets that are edited in place: removals first, then
	// additions, so that every moment between is closed. have becomes the state after the
	// plan, and must not be used if the plan fails. ok is false if the sets are not as
	// the moves expect, or too small: then the kernel must be read again.
	Move(moves []rules.Move, have State) (p plan.Plan, ok bool)
	// Ruleset reads a state back. unread counts the rules in dockwall's chains that
	// another program wrote, or that name sets which are not there.
	Ruleset(have State) (rs rules.Ruleset, unread int)
	// Sets returns the part of the state that consists of these sets of the ruleset, at
	// most limit of them, for a look at these alone.
	Sets(have State, names []string, limit int) State
	// Texts prints the ruleset for people, as the backend's tools take it on a host that
	// has no rules of dockwall's yet.
	Texts(want rules.Ruleset) []Text
}

// Forwarding is a State that knows what becomes of packets that are forwarded and that no
// rule decides.
type Forwarding interface {
	// ForwardDrops returns the families, 4 and 6, of which such packets are dropped.
	ForwardDrops() []int
}

// Wish is what the settings say about how to write, and what the choice depends on besides.
type Wish struct {
	// Backend and Sets are the words of firewall.backend and firewall.sets; empty
	// means auto.
	Backend, Sets string
	// EngineVersion is Docker's; empty if it is unknown.
	EngineVersion string
	// NFTables: Docker keeps its own rules in nftables.
	NFTables bool
	// LeftOut is the family that is not to be written, 4 or 6, because that failed, and
	// Why is how; 0 if there is none.
	LeftOut int
	Why     string
}

// Limits are the ways in which a backend falls short on a host.
type Limits struct {
	// Inline: there are no sets, and rules name each address. Move never applies.
	Inline bool
	// Unguarded: what is denied is denied in one place only. While another program has
	// flushed it, nothing is denied.
	Unguarded bool
	// Native: rules and sets are in an nftables table of dockwall's own. firewall.sets says
	// nothing about it.
	Native bool
	// Owned: no other program can change or flush the rules while this process runs, so
	// that no latch is needed.
	Owned bool
	// LeftOut is the family that cannot be written here, 4 or 6, and Why is the reason; 0 if
	// both can.
	LeftOut int
	Why     string
}

// SetsWord says how members are kept: ipset or inline, as in firewall.sets, or nftables.
func (l Limits) SetsWord() string {
	if l.Native {
		return "nftables"
	}
	if l.Inline {
		return "inline"
	}
	return "ipset"
}

// Text is a ruleset as a tool takes it.
type Text struct {
	// Family is 4 or 6; 0 if the text is for both.
	Family int
	// Rules is what RulesTool takes, and Sets what SetsTool takes. Sets is empty if the
	// rules contain the sets.
	Rules     string
	RulesTool string
	Sets      string
	SetsTool  string
}

// Counter is one of dockwall's rules in the kernel, and what it has matched.
type Counter struct {
	// Chain and ID name the rule. Rules that differ only in their matches have different
	// IDs; the two lines of a reject have the same ID.
	Chain, ID string
	// Policy is the block that the rule comes from.
	Policy string
	// Verdict is Return, Drop, Reject, Log, Stamp, Jump or Goto.
	Verdict        rules.VerdictKind
	Packets, Bytes uint64
}
