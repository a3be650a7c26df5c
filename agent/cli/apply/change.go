package apply

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/agent/cli/view"
	"dockwall/rules/plan"
)

// longSet is how many members of one set are shown of those that go and of
// those that come, unless all are asked for.
const longSet = 20

// tally counts what a plan changes.
type tally struct {
	RulesGone   int `json:"rules_gone"`
	RulesCome   int `json:"rules_come"`
	MembersGone int `json:"members_gone"`
	MembersCome int `json:"members_come"`
	// Places is how many chains and sets differ.
	Places int `json:"places"`
}

func tallyOf(p plan.Plan) tally {
	changes := renamed(p.Changes)
	t := tally{Places: len(changes)}
	for _, c := range changes {
		if c.Kind == plan.ChangeSet {
			t.MembersGone += len(c.Old)
			t.MembersCome += len(c.New)
		} else {
			t.RulesGone += len(c.Old)
			t.RulesCome += len(c.New)
		}
	}
	return t
}

// sentence sums up; the words say whether it is done or would be.
func (t tally) sentence(gone, come string) string {
	if t.Places == 0 {
		return "No rule differs; sets that an earlier run left behind are cleaned up."
	}
	s := fmt.Sprintf("%s %s, %s %s", view.Count(t.RulesGone, "rule"), gone, view.Count(t.RulesCome, "rule"), come)
	if t.MembersGone+t.MembersCome > 0 {
		s += fmt.Sprintf("; %s %s, %s %s", view.Count(t.MembersGone, "set member"), gone, view.Count(t.MembersCome, "set member"), come)
	}
	return s + "."
}

// changesOf are the plan's changes, never nil.
func changesOf(p plan.Plan) []plan.Change {
	if p.Changes == nil {
		return []plan.Change{}
	}
	return p.Changes
}

// changes writes them as a unified diff.
func showChanges(p *view.Printer, path string, cs []plan.Change, full bool) {
	if len(cs) == 0 {
		return
	}
	p.Printf("%s\n%s\n", p.Bold("--- kernel"), p.Bold("+++ "+view.Printable(path)))
	alike := 0
	for _, c := range renamed(cs) {
		if !full && repeats(c, cs) {
			alike++
			continue
		}
		p.Printf("%s\n", p.Cyan("@@ "+view.Printable(place(c))+" @@"))
		limit := -1
		if c.Kind == plan.ChangeSet && !full {
			limit = longSet
		}
		side(p, "-", c.Old, limit, p.Red)
		side(p, "+", c.New, limit, p.Green)
	}
	if alike > 0 {
		p.Printf("%s\n", p.Cyan(fmt.Sprintf("@@ security: %s alike, shown with --full @@", view.Count(alike, "chain"))))
	}
	p.Printf("\n")
}

// repeats reports whether a change to the guard's table only says again what one
// to filter says.
func repeats(c plan.Change, all []plan.Change) bool {
	return c.Table == "security" && slices.ContainsFunc(all, func(o plan.Change) bool {
		return o.Table == "filter" && o.Chain == c.Chain && o.Family == c.Family && slices.Equal(o.Old, c.Old) && slices.Equal(o.New, c.New)
	})
}

func side(p *view.Printer, sign string, lines []string, limit int, paint func(string) string) {
	for i, l := range lines {
		if limit >= 0 && i == limit {
			p.Printf("%s\n", paint(fmt.Sprintf("%s (%d more, shown with --full)", sign, len(lines)-limit)))
			return
		}
		p.Printf("%s\n", paint(sign+strings.ReplaceAll(view.Printable(l), "\n", "?")))
	}
}

// place names what a change is about.
func place(c plan.Change) string {
	if c.Kind == plan.ChangeSet && len(c.Old)+len(c.New) == 0 {
		return fmt.Sprintf("set %s (IPv%d), empty", c.Set, c.Family)
	}
	if c.Kind == plan.ChangeSet {
		return fmt.Sprintf("set %s (IPv%d)", c.Set, c.Family)
	}
	return fmt.Sprintf("%s %s (IPv%d)", c.Table, c.Chain, c.Family)
}
