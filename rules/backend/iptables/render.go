package iptables

import (
	"slices"
	"strings"

	"dockwall/rules"
	"dockwall/rules/plan"
)

// script builds a plan.Script.
type script struct {
	body  strings.Builder
	lines []rules.Origin
}

func (s *script) add(text string, o rules.Origin) {
	s.body.WriteString(text)
	s.body.WriteByte('\n')
	s.lines = append(s.lines, o)
}

func (s *script) frame(text string) { s.add(text, rules.Origin{}) }

func (s *script) text() plan.Script { return plan.Script{Body: s.body.String(), Lines: s.lines} }

// chainLines is a chain as wanted in one table of one family.
type chainLines struct {
	name  string
	lines []line
}

// spelt is a ruleset with the comments of its rules, which are the same in every
// table and family, and take longer to make than all the rest of a line.
type spelt struct {
	rules.Ruleset
	notes map[string][]string // by chain, one for each rule
}

func spell(rs rules.Ruleset) spelt {
	s := spelt{rs, make(map[string][]string, len(rs.Chains))}
	for _, c := range rs.Chains {
		notes := make([]string, len(c.Rules))
		for i, r := range c.Rules {
			notes[i] = comment(r)
		}
		s.notes[c.Name] = notes
	}
	return s
}

// desired renders the chains of a stage's table: those that one of its hooks
// reaches. Chains that no hook reaches are rendered into filter.
func (rs spelt) desired(f Family, stage rules.Stage) []chainLines {
	in, elsewhere := reached(rs.Ruleset, stage), reached(rs.Ruleset, otherStages(stage)...)
	var out []chainLines
	for _, c := range rs.Chains {
		if !in[c.Name] && (stage != rules.StageFilter || elsewhere[c.Name]) {
			continue
		}
		w := chainLines{name: c.Name}
		for i, r := range c.Rules {
			w.lines = append(w.lines, ruleLines(r, rs.notes[c.Name][i], f, stage)...)
		}
		out = append(out, w)
	}
	return out
}

// reached are the chains that hooks of the stages lead to.
func reached(rs rules.Ruleset, stages ...rules.Stage) map[string]bool {
	var from []string
	for _, h := range rs.Hooks {
		if slices.Contains(stages, h.Stage()) {
			from = append(from, h.Chain)
		}
	}
	return rs.Reached(from...)
}

// stages are those that have a table, in the order in which tables are written.
// The early table comes after filter: it refuses sources that filter need not
// know, so that the order between the two changes no verdict.
func stages() []rules.Stage {
	return []rules.Stage{rules.StageFilter, rules.StageEarly, rules.StageGuard}
}

func otherStages(stage rules.Stage) []rules.Stage {
	return slices.DeleteFunc(stages(), func(s rules.Stage) bool { return s == stage })
}

// Render writes the whole ruleset for one family, as iptables-restore --noflush
// takes it on a host that has DOCKER-USER and nothing of ours yet. The sets
// that it names (SetText) have to be there.
func Render(rs rules.Ruleset, f Family, o Options) plan.Script {
	if o.Inline {
		rs = Inline(rs)
	}
	if !o.Guard {
		rs = withoutGuard(rs, o.Variant)
	}
	var s script
	all := spell(rs)
	for _, stage := range stages() {
		if stage == rules.StageFilter || len(reached(rs, stage)) > 0 {
			renderTable(&s, all, f, stage)
		}
	}
	return s.text()
}

func renderTable(s *script, rs spelt, f Family, stage rules.Stage) {
	chains := rs.desired(f, stage)
	s.frame("*" + tableName(stage))
	for _, c := range chains {
		s.frame(":" + c.name + " - [0:0]")
	}
	for _, h := range rs.Hooks {
		if h.Stage() == stage {
			s.frame("-I " + string(h.Base) + " 1 " + jump(h.Chain))
		}
	}
	for _, c := range chains {
		for _, l := range c.lines {
			s.add("-A "+c.name+" "+l.feed, l.origin)
		}
	}
	s.frame("COMMIT")
}

func tableName(stage rules.Stage) string {
	switch stage {
	case rules.StageGuard:
		return tableGuard
	case rules.StageEarly:
		return tableEarly
	}
	return tableFilter
}

// jump is our jump into a chain.
func jump(chain string) string { return "-m comment --comment " + quote(jumpNote) + " -j " + chain }
