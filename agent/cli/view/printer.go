package view

import (
	"bufio"
	"fmt"
	"io"

	"dockwall/agent/config"
)

// Printer writes for people. The first error sticks.
type Printer struct {
	w     *bufio.Writer
	color bool
	err   error
}

// NewPrinter returns a printer, with or without colours.
func NewPrinter(w io.Writer, color bool) *Printer {
	return &Printer{w: bufio.NewWriter(w), color: color}
}

// Printf writes formatted text, unless an earlier write failed.
func (p *Printer) Printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// Fail keeps the first error of what writes past the printer; nil changes nothing.
func (p *Printer) Fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// Colored reports whether text may have colours.
func (p *Printer) Colored() bool { return p.color }

// Write writes text as it is, for tables.
func (p *Printer) Write(b []byte) (int, error) { return p.w.Write(b) }

// Diagnostics writes them as config does, a blank line after the last.
func (p *Printer) Diagnostics(ds config.Diagnostics) {
	if p.err == nil && len(ds) > 0 {
		p.err = ds.WriteText(p.w, p.color)
		p.Printf("\n")
	}
}

// Flush writes what is buffered, and returns the first error of all writes.
func (p *Printer) Flush() error {
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

func (p *Printer) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Red, Green, Yellow, Cyan and Bold return the text in that colour, or as it is if
// there are no colours.
func (p *Printer) Red(s string) string    { return p.paint("31", s) }
func (p *Printer) Green(s string) string  { return p.paint("32", s) }
func (p *Printer) Yellow(s string) string { return p.paint("33", s) }
func (p *Printer) Cyan(s string) string   { return p.paint("36", s) }
func (p *Printer) Bold(s string) string   { return p.paint("1", s) }
