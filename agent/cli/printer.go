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

// printer makes one for stdout or stderr. Colours only where a person reads,
// and not where the person asked for none (no-color.org).
func (a *app) printer(w io.Writer) *printer {
	color := a.env.IsTerminal(w) && a.env.Getenv("NO_COLOR") == "" && a.env.Getenv("TERM") != "dumb"
	return &printer{w: bufio.NewWriter(w), color: color}
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

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
