package iptables

import (
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// tableEdit is what is to be done to one table of one family.
type tableEdit struct {
	variant Variant
	family  Family
	table   string
	// seen is the table as it is; nil if not there.
	seen  *Table
	write []chainLines // our chains whose rules differ, or are to be written again
	// drop are our chains that are not wanted any more; empty those among them
	// that another program's rule still goes to, and that have to stay.
	drop, empty []string
	// transit are chains that an earlier step of the plan makes.
	transit     []string
	bases       []baseEdit
	makeUser    bool
	dropUser    bool
	markTable   bool
	deleteTable bool
	// marks are chains that say that a base chain is dockwall's making, and dropBases base
	// chains that are, and that nothing is in (nft only).
	marks, dropBases []string
}

// newEdit compares a table with what is wanted in it. No hooks: nothing is.
func newEdit(v Variant, f Family, name string, seen *Table, rs spelt) *tableEdit {
	e := &tableEdit{variant: v, family: f, table: name, seen: seen}
	var hooks []rules.Hook
	var want []chainLines
	for _, h := range rs.Hooks {
		if tableName(h.Stage()) == name {
			hooks = append(hooks, h)
		}
	}
	if len(hooks) > 0 {
		want = rs.desired(f, hooks[0].Stage())
	}
	e.bases = basesOf(seen, hooks, name == tableFilter)
	e.compare(want)
	e.stale(want, len(hooks) == 0)
	if len(hooks) > 0 {
		e.markTable = v == NFT && seen == nil
		e.markBases()
		e.makeUser = slices.ContainsFunc(hooks, func(h rules.Hook) bool { return h.Base == rules.BaseDockerUser }) &&
			seen.chain(dockerUser) == nil
	} else if seen != nil {
		e.leave()
	}
	return e
}

// compare finds the chains whose rules differ.
func (e *tableEdit) compare(want []chainLines) {
	for _, w := range want {
		c := e.seen.chain(w.name)
		if c == nil || !slices.EqualFunc(c.Rules, w.lines, func(have string, l line) bool { return canonical(have) == l.save }) {
			e.write = append(e.write, w)
		}
	}
}

// stale finds the chains that are to go. The marks stay until everything goes.
func (e *tableEdit) stale(want []chainLines, all bool) {
	if e.seen == nil {
		return
	}
	for _, c := range e.seen.Chains {
		mark := strings.HasPrefix(c.Name, reservedChains)
		wanted := slices.ContainsFunc(want, func(w chainLines) bool { return w.name == c.Name })
		switch {
		case !owned(c.Name) || wanted || mark && !all:
		case refers(e.seen, c.Name):
			if len(c.Rules) > 0 {
				e.empty = append(e.empty, c.Name)
			}
		default:
			e.drop = append(e.drop, c.Name)
		}
	}
}

// markBases marks the base chains that the edit makes.
func (e *tableEdit) markBases() {
	for _, b := range e.bases {
		c := e.seen.chain(b.chain)
		if mark := reservedChains + b.chain; c != nil && c.Absent && (b.plain || len(b.goal) > 0) && e.seen.chain(mark) == nil {
			e.marks = append(e.marks, mark)
		}
	}
}

// leave finds what dockwall made and no other program uses.
func (e *tableEdit) leave() {
	e.dropUser = e.seen.chain(markUser) != nil && e.userUnused()
	if e.variant != NFT {
		return
	}
	made := e.seen.chain(markTable) != nil
	e.deleteTable = made
	for _, c := range e.after().Chains {
		if c.Policy != "ACCEPT" || len(c.Rules) > 0 {
			e.deleteTable = false
		} else if !c.Absent && (made || e.seen.chain(reservedChains+c.Name) != nil) {
			e.dropBases = append(e.dropBases, c.Name)
		}
	}
	if e.deleteTable {
		e.dropBases = nil
	}
}

func (e *tableEdit) userUnused() bool {
	c := e.seen.chain(dockerUser)
	if c == nil || dockerChains(e.seen) || refers(e.seen, dockerUser) {
		return false
	}
	for _, r := range c.Rules {
		if r != "-j RETURN" && !ourJump(r) {
			return false
		}
	}
	return true
}

// none reports whether there is nothing to do.
func (e *tableEdit) none() bool {
	return len(e.write)+len(e.drop)+len(e.empty)+len(e.bases)+len(e.dropBases) == 0 && !e.dropUser && !e.deleteTable
}

// flips reports whether rules of ours change, not only the jumps to them.
func (e *tableEdit) flips() bool { return len(e.write)+len(e.drop)+len(e.empty) > 0 }

// rewrite has a chain written that may be as wanted already.
func (e *tableEdit) rewrite(chain string, want []chainLines) {
	same := func(c chainLines) bool { return c.name == chain }
	if at := slices.IndexFunc(want, same); at >= 0 && !slices.ContainsFunc(e.write, same) {
		e.write = append(e.write, want[at])
	}
}

// passing are the chains that come and go within the plan: those that were
// there before, of a plan that was stopped, are among the dropped.
func (e *tableEdit) passing() []string {
	return slices.DeleteFunc(slices.Clone(e.transit), func(name string) bool { return e.seen.chain(name) != nil })
}

// script is the one transaction that does it.
func (e *tableEdit) script() plan.Script {
	var s script
	s.frame("*" + e.table)
	if e.makeUser {
		// -N fails if another program was quicker; a ":" line would empty its chain.
		s.frame("-N " + dockerUser)
	}
	for _, name := range e.makes() {
		if name != dockerUser {
			s.frame(":" + name + " - [0:0]")
		}
	}
	for _, c := range e.write {
		if e.seen.chain(c.name) != nil {
			s.frame(":" + c.name + " - [0:0]")
		}
	}
	for _, name := range e.passing() {
		s.frame(":" + name + " - [0:0]")
	}
	for _, b := range e.bases {
		b.write(&s)
	}
	for _, c := range e.write {
		for _, l := range c.lines {
			s.add("-A "+c.name+" "+l.feed, l.origin)
		}
	}
	for _, verb := range []string{"-F ", "-X "} {
		for _, name := range e.drop {
			s.frame(verb + name)
		}
		for _, name := range e.empty {
			if verb == "-F " {
				s.frame(verb + name)
			}
		}
	}
	for _, name := range e.passing() {
		s.frame("-X " + name)
	}
	if e.dropUser {
		for _, r := range e.seen.chain(dockerUser).Rules {
			if !ourJump(r) {
				s.frame("-D " + dockerUser + " " + r)
			}
		}
		s.frame("-X " + dockerUser)
	}
	s.frame("COMMIT")
	return s.text()
}

func (e *tableEdit) step(s plan.Script, why string) plan.Step {
	return plan.Step{Action: e.variant.restore(e.family, s), Why: why + " (" + e.table + ", IPv" + e.family.String() + ")"}
}

// steps change the table, and delete it where it is ours and empty.
func (e *tableEdit) steps() []plan.Step {
	out := []plan.Step{e.step(e.script(), "write the rules")}
	if e.native() {
		out = e.nativeSteps()
	}
	if e.deleteTable {
		out = append(out, e.deleteStep())
	}
	if len(e.dropBases) > 0 {
		out = append(out, e.deleteBases(e.dropBases))
	}
	return out
}

func (e *tableEdit) deleteBases(chains []string) plan.Step {
	return plan.Step{Action: plan.DeleteChains{Family: int(e.family), Table: e.table, Chains: chains},
		Why: "delete the base chains that dockwall made (" + e.table + ", IPv" + e.family.String() + ")"}
}

func (e *tableEdit) deleteStep() plan.Step {
	return plan.Step{Action: plan.DeleteTable{Family: int(e.family), Table: e.table},
		Why: "delete the table that dockwall made (" + e.table + ", IPv" + e.family.String() + ")"}
}
