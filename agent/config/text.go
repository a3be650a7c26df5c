package config

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// The terminal's colours; all empty where none are wanted.
type palette struct{ red, yellow, bold, reset string }

func newPalette(color bool) palette {
	if !color {
		return palette{}
	}
	return palette{red: "\x1b[31m", yellow: "\x1b[33m", bold: "\x1b[1m", reset: "\x1b[0m"}
}

// WriteText writes the diagnostics for people, one paragraph each: what is
// wrong, where, the line itself with the place underlined, and what to write
// instead. The line that begins with "at" is file:line:column. It returns the
// writer's first error.
func (ds Diagnostics) WriteText(w io.Writer, color bool) error {
	p := newPalette(color)
	for i, d := range ds {
		if i > 0 {
			if _, err := io.WriteString(w, "\n"); err != nil {
				return err
			}
		}
		if _, err := io.WriteString(w, d.text(p)); err != nil {
			return err
		}
	}
	return nil
}

func (d Diagnostic) text(p palette) string {
	var b strings.Builder
	word, tint := "Error", p.red
	if d.Severity == Warning {
		word, tint = "Warning", p.yellow
	}
	fmt.Fprintf(&b, "%s%s%s:%s %s%s%s\n\n", p.bold, tint, word, p.reset, p.bold, printable(d.Summary), p.reset)
	d.writePlace(&b, p, tint)
	if d.Detail != "" {
		b.WriteString("\n")
		for line := range strings.SplitSeq(d.Detail, "\n") {
			fmt.Fprintf(&b, "  %s\n", printable(line))
		}
	}
	return b.String()
}

func (d Diagnostic) writePlace(b *strings.Builder, p palette, tint string) {
	if d.Line == 0 {
		fmt.Fprintf(b, "  at %s\n", printable(d.File))
		return
	}
	fmt.Fprintf(b, "  on %s line %d", printable(d.File), d.Line)
	if d.Context != "" {
		fmt.Fprintf(b, ", %s", printable(d.Context))
	}
	b.WriteString(":\n")
	if d.Snippet != "" {
		margin := fmt.Sprintf("  %d: ", d.Line)
		fmt.Fprintf(b, "%s%s\n", margin, printable(d.Snippet))
		if u := d.underline(); u != "" {
			fmt.Fprintf(b, "%s%s%s%s\n", strings.Repeat(" ", len(margin)), tint, u, p.reset)
		}
	}
	fmt.Fprintf(b, "  at %s\n", printable(d.Position()))
}

// underline is blank up to the place and ^ below it. Tabs stay tabs, so that
// both lines are as wide whatever the terminal makes of them.
func (d Diagnostic) underline() string {
	line := []rune(d.Snippet)
	if d.Column < 1 || d.Column > len(line)+1 {
		return "" // the line was cut before the place
	}
	var b strings.Builder
	for _, r := range line[:d.Column-1] {
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
	}
	width := min(d.EndColumn, len(line)+1) - d.Column
	b.WriteString(strings.Repeat("^", max(1, width)))
	return b.String()
}

// printable replaces control characters, which the operator's file may hold,
// by a space: they must not move the terminal's cursor.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\t' {
			return ' '
		}
		return r
	}, s)
}
