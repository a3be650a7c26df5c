package config

import (
	"errors"
	"fmt"
	"strings"
)

// Severity says whether a diagnostic keeps the file from being used.
type Severity string

// The two severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Diagnostic is one thing that is wrong, or odd, about the operator's files.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	// Summary says what is wrong, in one line.
	Summary string `json:"summary"`
	// Detail says why, and what to write instead. It may be empty.
	Detail string `json:"detail,omitempty"`
	// File is the path as Load was given it, or beside that.
	File string `json:"file"`
	// Line and Column begin at 1; both are 0 where the whole file is meant
	// (it is missing, for one). Columns count characters, not bytes.
	Line   int `json:"line,omitempty"`
	Column int `json:"column,omitempty"`
	// EndColumn is the column after the last one meant, on the same line.
	EndColumn int `json:"end_column,omitempty"`
	// Snippet is the source line, cut off where it is very long. It is empty, or "…",
	// where the file may not be one of dockwall's: nothing of that is shown.
	Snippet string `json:"snippet,omitempty"`
	// Context is the block the place is in: `in published "shop"`.
	Context string `json:"context,omitempty"`
}

// Diagnostics are sorted by file, in reading order, and position.
type Diagnostics []Diagnostic

// HasErrors reports whether the file cannot be used.
func (ds Diagnostics) HasErrors() bool {
	for _, d := range ds {
		if d.Severity == Error {
			return true
		}
	}
	return false
}

// Err returns the errors among the diagnostics in one line, each as
// file:line:column: summary; nil if there are none.
func (ds Diagnostics) Err() error {
	var lines []string
	for _, d := range ds {
		if d.Severity == Error {
			lines = append(lines, d.Position()+": "+d.Summary)
		}
	}
	if lines == nil {
		return nil
	}
	return errors.New(strings.Join(lines, "; "))
}

// Position is file:line:column, as editors and grep take it; the file alone
// where the whole of it is meant.
func (d Diagnostic) Position() string {
	if d.Line == 0 {
		return d.File
	}
	return fmt.Sprintf("%s:%d:%d", d.File, d.Line, d.Column)
}

// maxDiagnostics is how many of each severity are kept: more are not read, and
// a file that is wrong in every line must not cost the agent its memory.
const maxDiagnostics = 100

// Bytes of a text that are kept.
const (
	maxSummary = 300
	maxDetail  = 1500
)

// collector gathers diagnostics up to the limit and counts the rest.
type collector struct {
	list           Diagnostics
	errors, warned int
}

func (c *collector) add(d Diagnostic) {
	n := &c.warned
	if d.Severity == Error {
		n = &c.errors
	}
	*n++
	d.Summary, d.Detail = shorten(d.Summary, maxSummary), shorten(d.Detail, maxDetail)
	if *n <= maxDiagnostics {
		c.list = append(c.list, d)
	}
}

// shorten cuts what quotes a value of absurd length.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// rest is the diagnostic that stands for those over the limit, if any.
func (c *collector) rest(file string) Diagnostics {
	more := max(0, c.errors-maxDiagnostics) + max(0, c.warned-maxDiagnostics)
	if more == 0 {
		return nil
	}
	severity := Warning
	if c.errors > maxDiagnostics {
		severity = Error
	}
	return Diagnostics{{Severity: severity, File: file, Summary: fmt.Sprintf("%d more errors and warnings are not shown", more)}}
}
