package iptables

import (
	"slices"
	"strings"

	"dockwall/rules/plan"
)

// rollback are the steps that bring the table back, whether or not the edit
// was done. What may or may not be there is undone by steps that may fail.
func (e *tableEdit) rollback() []plan.Step {
	var out []plan.Step
	may := func(why string, lines ...string) {
		var s script
		s.frame("*" + e.table)
		for _, l := range lines {
			s.frame(l)
		}
		s.frame("COMMIT")
		st := e.step(s.text(), why)
		st.MayFail = true
		out = append(out, st)
	}
	if e.dropUser {
		lines := []string{"-N " + dockerUser}
		for _, r := range e.seen.chain(dockerUser).Rules {
			if !ourJump(r) {
				lines = append(lines, "-A "+dockerUser+" "+r)
			}
		}
		may("make DOCKER-USER again", lines...)
	}
	for _, b := range e.bases {
		texts, _ := b.surplus()
		for _, text := range texts {
			may("take back a jump", "-D "+b.chain+" "+feedText(text))
		}
	}
	out = append(out, e.restoreSteps()...)
	if e.makeUser {
		may("take back DOCKER-USER", "-X "+dockerUser, "-X "+markUser)
	}
	if len(e.marks) > 0 {
		var made []string
		for _, mark := range e.marks {
			made = append(made, strings.TrimPrefix(mark, reservedChains))
		}
		st := e.deleteBases(made)
		st.MayFail = true
		out = append(out, st)
	}
	if e.markTable {
		st := e.deleteStep()
		st.MayFail = true
		out = append(out, st)
	}
	return out
}

// restoreSteps write our chains and jumps as they were. Beside native rules it takes
// several: chains are deleted after no jump leads to them.
func (e *tableEdit) restoreSteps() []plan.Step {
	const why = "put the old rules back"
	if !e.native() {
		return []plan.Step{e.step(e.restore(true, true), why)}
	}
	out := append([]plan.Step{e.step(e.restore(true, false), why)}, e.jumpSteps(true)...)
	return append(out, e.step(e.restore(false, true), "delete the new rules"))
}

// restore is the transaction that writes our chains and jumps as they were, that deletes
// the chains that were not there, or that does both.
func (e *tableEdit) restore(write, remove bool) plan.Script {
	var s script
	s.frame("*" + e.table)
	if write {
		e.writeOld(&s)
	}
	for _, name := range e.touched() {
		if remove && e.seen.chain(name) == nil {
			s.frame("-X " + name)
		}
	}
	s.frame("COMMIT")
	return s.text()
}

func (e *tableEdit) writeOld(s *script) {
	var old []*Chain
	for _, name := range e.touched() {
		s.frame(":" + name + " - [0:0]")
		if c := e.seen.chain(name); c != nil {
			old = append(old, c)
		}
	}
	for _, b := range e.bases {
		b.undo(s)
	}
	for _, c := range old {
		for _, r := range c.Rules {
			s.frame("-A " + c.Name + " " + feedText(r))
		}
	}
}

// touched are our chains that the plan writes, makes or drops in the table.
func (e *tableEdit) touched() []string {
	var out []string
	if e.markTable {
		out = append(out, markTable)
	}
	out = append(out, e.marks...)
	for _, c := range e.write {
		out = append(out, c.name)
	}
	return slices.Concat(out, e.drop, e.empty, e.passing())
}
