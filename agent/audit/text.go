package audit

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	rules "dockwall/rules/audit"
	"dockwall/rules/finding"
)

// Text writes the report for a person: by group, what failed first, the more severe
// first, one line for each check with what to do. Findings of one check with one
// result are one line. each writes a line for each finding instead.
func Text(w io.Writer, r rules.Report, color, each bool) error {
	t := &page{w: w, color: color}
	for _, g := range rules.Groups() {
		t.group(g, r, each)
	}
	t.printf("%s\n", t.summary(r))
	return t.err
}

// page is text that is written. The first error sticks.
type page struct {
	w     io.Writer
	color bool
	err   error
}

func (t *page) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *page) paint(code, s string) string {
	if !t.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (t *page) group(g rules.Group, r rules.Report, each bool) {
	var shown []line
	passed, absent := 0, 0
	var persons []string
	for _, f := range r.Findings {
		switch {
		case f.Group != g:
		case f.State == rules.Pass:
			passed++
		case f.State == rules.NotApplicable:
			absent++
		case f.State == rules.Note && f.Static:
			persons = append(persons, f.ID)
		default:
			shown = appendLine(shown, f, each)
		}
	}
	if len(shown)+passed+absent+len(persons) == 0 {
		return
	}
	t.printf("%s  %d passed, %d not applicable\n", t.paint("1", strings.ToUpper(string(g))), passed, absent)
	unknown := map[string][]string{}
	for _, l := range shown {
		if l.State == rules.Unknown && len(unknown[l.reason()]) == 0 {
			for _, o := range shown {
				if o.State == rules.Unknown && o.reason() == l.reason() {
					unknown[l.reason()] = append(unknown[l.reason()], o.ID)
				}
			}
			t.printf("  %s %s%s: %s\n", t.paint("33", "unknown"), l.subject(), clean(l.Detail), strings.Join(unknown[l.reason()], ", "))
		}
		if l.State != rules.Unknown {
			t.line(l)
		}
	}
	if len(persons) > 0 {
		t.printf("  %-7s a person decides (--explain ID): %s\n", "note", strings.Join(persons, ", "))
	}
	t.printf("\n")
}

// line is one line: a check, and the subjects with the same result.
type line struct {
	rules.Finding
	subjects []string
	// others are findings of the check in the same state, with other details.
	others int
}

// appendLine adds a finding to the line of its check and state, or as a new one.
func appendLine(lines []line, f rules.Finding, each bool) []line {
	name := f.Subject.Name
	if f.Place != nil {
		name = f.Place.String()
	}
	for i := range lines {
		l := &lines[i]
		if each || l.ID != f.ID || l.State != f.State {
			continue
		}
		if l.Detail == withoutPID(f.Detail) {
			l.subjects = append(l.subjects, name)
		} else {
			l.others++
		}
		return lines
	}
	f.Detail = withoutPID(f.Detail)
	return append(lines, line{Finding: f, subjects: []string{name}})
}

// reason is what lines of several checks have in common that are unknown.
func (l line) reason() string { return l.subject() + l.Detail }

// withoutPID writes /proc/PID for the number, which differs between containers.
func withoutPID(detail string) string {
	head, rest, ok := strings.Cut(detail, "/proc/")
	if !ok {
		return detail
	}
	number := strings.TrimLeft(rest, "0123456789")
	if len(number) == len(rest) {
		return detail
	}
	return head + "/proc/PID" + number
}

func (t *page) line(l line) {
	word := string(l.Severity)
	switch {
	case l.State == rules.Waived || l.State == rules.Note:
		word = fmt.Sprintf("%-7s", l.State)
	case l.Severity == finding.High:
		word = t.paint("1;31", fmt.Sprintf("%-7s", word))
	case l.Severity == finding.Medium:
		word = t.paint("31", fmt.Sprintf("%-7s", word))
	default:
		word = t.paint("33", fmt.Sprintf("%-7s", word))
	}
	t.printf("  %s %s  %s%s", word, l.ID, l.subject(), clean(l.Detail))
	if l.Waiver != nil {
		t.printf(" %s accepted by %s: %s", t.paint("2", "=>"), clean(l.Waiver.Position), clean(l.Waiver.Reason))
	}
	if l.Fix != "" && l.State == rules.Fail {
		t.printf(" %s %s", t.paint("2", "=>"), clean(l.Fix))
	}
	t.printf("\n")
}

// subject names the first subjects of the line, and how many more there are.
func (l line) subject() string {
	const most = 3
	if l.subjects[0] == "" {
		return ""
	}
	names := l.subjects[:min(len(l.subjects), most)]
	s := clean(strings.Join(names, ", "))
	if more := len(l.subjects) - len(names) + l.others; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s + ": "
}

func (t *page) summary(r rules.Report) string {
	count := func(s rules.State) int { return r.Count(s, finding.Low) }
	high, medium := r.Count(rules.Fail, finding.High), r.Count(rules.Fail, finding.Medium)
	s := fmt.Sprintf("Failed: %d high, %d medium, %d low. Unknown: %d. Waived: %d. Passed: %d.", high, medium-high, count(rules.Fail)-medium,
		count(rules.Unknown), count(rules.Waived), count(rules.Pass))
	return t.paint("1", s)
}

// Explain writes what is known of a check.
func Explain(w io.Writer, c rules.Check, color bool) error {
	t := &page{w: w, color: color}
	t.printf("%s: %s\n\n", t.paint("1", c.ID), c.Title)
	for _, f := range []struct{ name, text string }{
		{"Severity", string(c.Severity)}, {"Group", string(c.Group)}, {"Why", c.Why}, {"Decided by", c.Decides}, {"What to do", c.Fix},
		{"CIS Docker Benchmark", numbers(c.CIS)},
	} {
		t.printf("  %-21s %s\n", f.name, f.text)
	}
	return t.err
}

func numbers(c rules.CIS) string {
	list := func(n []string) string { return cmp.Or(strings.Join(n, ", "), "none") }
	return fmt.Sprintf("%s (1.6), %s (1.8)", list(c.V16), list(c.V18))
}

// clean replaces what a terminal would take for a command, and line breaks.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}
