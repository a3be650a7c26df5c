package iptables

import (
	"strings"

	"dockwall/rules"
)

// Text is a script for a restore command, and where each of its lines comes
// from (Lines[0] is line 1).
type Text struct {
	Body  string
	Lines []rules.Origin
}

// script builds a Text.
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

func (s *script) text() Text { return Text{Body: s.body.String(), Lines: s.lines} }

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

// desired renders the chains of a table. The guard has only those that one of
// its hooks reaches, the filter all but those that only the guard's do.
func (rs spelt) desired(f Family, guard bool) []chainLines {
	in, elsewhere := reached(rs.Ruleset, guard), reached(rs.Ruleset, !guard)
	var out []chainLines
	for _, c := range rs.Chains {
		if !in[c.Name] && (guard || elsewhere[c.Name]) {
			continue
		}
		w := chainLines{name: c.Name}
		for i, r := range c.Rules {
			w.lines = append(w.lines, ruleLines(r, rs.notes[c.Name][i], f, guard)...)
		}
		out = append(out, w)
	}
	return out
}

// reached are the chains that hooks of the table lead to.
func reached(rs rules.Ruleset, guard bool) map[string]bool {
	var from []string
	for _, h := range rs.Hooks {
		if h.Guard == guard {
			from = append(from, h.Chain)
		}
	}
	return rs.Reached(from...)
}

// Render writes the whole ruleset for one family, as iptables-restore --noflush
// takes it on a host that has DOCKER-USER and nothing of ours yet. The sets
// that it names (SetText) have to be there.
func Render(rs rules.Ruleset, f Family, o Options) Text {
	if o.Inline {
		rs = Inline(rs)
	}
	if !o.Guard {
		rs = withoutGuard(rs, o.Variant)
	}
	var s script
	all := spell(rs)
	renderTable(&s, all, f, false)
	if o.Guard {
		renderTable(&s, all, f, true)
	}
	return s.text()
}

func renderTable(s *script, rs spelt, f Family, guard bool) {
	chains := rs.desired(f, guard)
	s.frame("*" + tableName(guard))
	for _, c := range chains {
		s.frame(":" + c.name + " - [0:0]")
	}
	for _, h := range rs.Hooks {
		if h.Guard == guard {
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

func tableName(guard bool) string {
	if guard {
		return tableGuard
	}
	return tableFilter
}

// jump is our jump into a chain.
func jump(chain string) string { return "-m comment --comment " + quote(jumpNote) + " -j " + chain }
