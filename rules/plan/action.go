package plan

import (
	"dockwall/rules"
	"dockwall/rules/nft"
)

// Action is what a step does. The types below are all there are.
type Action interface {
	// kind names the action in the files that steps are kept in.
	kind() string
}

// Actions returns a value of each type of action.
func Actions() []Action {
	return []Action{RestoreTable{}, RestoreSets{}, EditSets{}, DeleteTable{}, DeleteChains{}, SetJumps{}, EditTable{}, Settle{}}
}

// RestoreTable changes one table of one family in one transaction, by a program such as
// iptables-nft-restore.
type RestoreTable struct {
	// Tool is the program's name without "-restore": iptables-nft, ip6tables-legacy.
	Tool string
	// Wait has the program wait for the lock of the legacy tables.
	Wait bool
	// Test has the program check the script and change nothing.
	Test bool
	// Script contains one table.
	Script Script
}

// RestoreSets runs `ipset restore`. It is not a transaction: after an error the lines
// before it have been done.
type RestoreSets struct {
	// Exist: it is no error if a set or member to be created exists already.
	Exist  bool
	Script Script
}

// EditSets changes members and names of sets through netlink, in order, as RestoreSets
// with its Script does. For a few members that takes a hundredth of the time of a process.
type EditSets struct {
	// Exist: it is no error if a member to be added is there, or one to be deleted is not.
	Exist bool
	Ops   []SetOp
}

// DeleteTable deletes an nftables table of one family through netlink. It fails if the
// table still holds a rule, or a chain that is not one of iptables' base chains.
type DeleteTable struct {
	Family int // 4 or 6
	Table  string
}

// DeleteChains deletes those of these base chains of an nftables table through netlink that
// hold no rule and whose policy is accept. The others stay, which is no error: another
// program uses them by now.
type DeleteChains struct {
	Family int // 4 or 6
	Table  string
	Chains []string
}

// SetJumps makes these the only jumps to dockwall's rules in another program's chain, through
// netlink and in one transaction. It is for chains that hold native rules of nftables, among
// which iptables' tools do not find a rule. All other rules stay. A jump without a comment
// is Docker's own, and is only added.
type SetJumps struct {
	Family       int // 4 or 6
	Table, Chain string
	Jumps        []Jump
}

// Jump is a rule without conditions that leads to a chain.
type Jump struct {
	// At is its place, from 0, once the jumps before it are in theirs.
	At              int
	Comment, Target string
}

// EditTable changes dockwall's own nftables table, of family inet, through netlink and in one
// transaction. It fails as a whole, and then has changed nothing.
type EditTable struct {
	Table string
	Ops   nft.Ops
	// Origins are those of the operations that add rules, by index in Ops, for messages.
	Origins map[int]rules.Origin
}

// Settle waits a moment. A program such as docker-proxy may have accepted a connection
// just before the earlier steps closed a port: its dial to the container must have failed
// before the later steps would let it pass.
type Settle struct{}

func (RestoreTable) kind() string { return "restore_table" }
func (RestoreSets) kind() string  { return "restore_sets" }
func (EditSets) kind() string     { return "edit_sets" }
func (DeleteTable) kind() string  { return "delete_table" }
func (DeleteChains) kind() string { return "delete_chains" }
func (SetJumps) kind() string     { return "set_jumps" }
func (EditTable) kind() string    { return "edit_table" }
func (Settle) kind() string       { return "settle" }

// Argv returns the command, which reads Script.
func (r RestoreTable) Argv() []string {
	argv := []string{r.Tool + "-restore", "--noflush"}
	if r.Wait {
		argv = append(argv, "-w")
	}
	if r.Test {
		argv = append(argv, "--test")
	}
	return argv
}

// Argv returns the command, which reads Script.
func (r RestoreSets) Argv() []string { return restoreSets(r.Exist) }

// Argv returns the command that does the same when it reads Script.
func (e EditSets) Argv() []string { return restoreSets(e.Exist) }

func restoreSets(exist bool) []string {
	if exist {
		return []string{"ipset", "restore", "-exist"}
	}
	return []string{"ipset", "restore"}
}

// Script is a text for a program, and the origin of each of its lines.
type Script struct {
	Body string
	// Lines maps the lines of Body (Lines[0] is line 1) to their origins, for messages
	// such as "line 12 failed".
	Lines []rules.Origin
}

// Origin returns the origin of a line, counted from 1, and is empty if it is unknown.
func (s Script) Origin(line int) rules.Origin {
	if line < 1 || line > len(s.Lines) {
		return rules.Origin{}
	}
	return s.Lines[line-1]
}
