package cli

import (
	"bufio"
	"fmt"
	"io"

	"dockwall/agent/config"
)

// printer writes for people. The first error sticks.
type printer struct {
	w     *bufio.Writer
	color bool
	err   error
}

// newPrinter returns a printer, with or without colours.
func newPrinter(w io.Writer, color bool) *printer {
	return &printer{w: bufio.NewWriter(w), color: color}
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// fail keeps the first error of what writes past the printer; nil changes nothing.
func (p *printer) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// colored reports whether text may have colours.
func (p *printer) colored() bool { return p.color }

// Write writes text as it is, for tables.
func (p *printer) Write(b []byte) (int, error) { return p.w.Write(b) }

// diagnostics writes them as config does, a blank line after the last.
func (p *printer) diagnostics(ds config.Diagnostics) {
	if p.err == nil && len(ds) > 0 {
		p.err = ds.WriteText(p.w, p.color)
		p.printf("\n")
	}
}

func (p *printer) flush() error {
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

func (p *printer) paint(code, s string) string {
	if !p.color {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p *printer) red(s string) string    { return p.paint("31", s) }
func (p *printer) green(s string) string  { return p.paint("32", s) }
func (p *printer) yellow(s string) string { return p.paint("33", s) }
func (p *printer) cyan(s string) string   { return p.paint("36", s) }
func (p *printer) bold(s string) string   { return p.paint("1", s) }
