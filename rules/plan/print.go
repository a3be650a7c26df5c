package plan

import (
	"fmt"
	"strings"
)

// String prints the step for people and for tests: why, the command or what the runner
// does instead, and what it reads.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s", s.Why)
	if s.Beside {
		b.WriteString(" (beside the step above)")
	}
	if s.MayFail {
		b.WriteString(" (may fail)")
	}
	head, script := printed(s.Action)
	fmt.Fprintf(&b, "\n%s\n%s", head, script.Body)
	return b.String()
}

// printed returns an action's command, or a line that stands for it, and its script. The
// line is empty if the action is unknown.
func printed(a Action) (head string, script Script) {
	switch a := a.(type) {
	case RestoreTable:
		return strings.Join(a.Argv(), " "), a.Script
	case RestoreSets:
		return strings.Join(a.Argv(), " "), a.Script
	case EditSets:
		return "netlink: " + strings.Join(a.Argv(), " "), a.Script()
	case DeleteTable:
		return fmt.Sprintf("netlink: delete the empty table %s of IPv%d", a.Table, a.Family), Script{}
	case DeleteChains:
		return fmt.Sprintf("netlink: delete those of %s that are empty, table %s of IPv%d", strings.Join(a.Chains, ", "), a.Table, a.Family), Script{}
	case SetJumps:
		return fmt.Sprintf("netlink: jumps of chain %s, table %s of IPv%d:%s", a.Chain, a.Table, a.Family, a.places()), Script{}
	case EditTable:
		return fmt.Sprintf("netlink: %d operations on the table inet %s", len(a.Ops), a.Table), Script{}
	case Settle:
		return "wait for connections that are being opened", Script{}
	}
	return "", Script{}
}

// places prints the jumps on one line.
func (s SetJumps) places() string {
	if len(s.Jumps) == 0 {
		return " none"
	}
	var b strings.Builder
	for _, j := range s.Jumps {
		fmt.Fprintf(&b, " %s at %d", j.Target, j.At+1)
	}
	return b.String()
}

// String prints the plan's steps and its rollback.
func (p Plan) String() string {
	var b strings.Builder
	for s := range p.Forward() {
		b.WriteString(s.String())
	}
	b.WriteString("ROLLBACK\n")
	for _, s := range p.Rollback {
		b.WriteString(s.String())
	}
	return b.String()
}
