package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"dockwall/agent/config"
)

// show prints the result in the view that was asked for.
func (a *app) show(r result) int {
	var err error
	if a.json {
		err = a.writeJSON(r)
	} else {
		p := a.printer(a.env.Stdout)
		r.text(p)
		err = p.flush()
	}
	if err != nil {
		fmt.Fprintf(a.env.Stderr, "Error: writing the answer: %v\n", err)
		return exitTrouble
	}
	return r.code()
}

func (a *app) writeJSON(v any) error {
	enc := json.NewEncoder(a.env.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// badFile is the error where the operator's file has errors.
type badFile struct {
	path  string
	diags config.Diagnostics
}

// Error is the one-line form.
func (e *badFile) Error() string { return e.diags.Err().Error() }

// failure is the JSON of trouble.
type failure struct {
	header
	Error       string             `json:"error"`
	Diagnostics config.Diagnostics `json:"diagnostics,omitempty"`
}

// trouble reports an error and returns its exit code.
func (a *app) trouble(err error) int {
	f := failure{Error: err.Error()}
	p := a.printer(a.env.Stderr)
	var bad *badFile
	if errors.As(err, &bad) {
		f.Diagnostics = bad.diags
		p.diagnostics(bad.diags)
	} else {
		p.printf("%s %s\n", p.bold(p.red("Error:")), printable(f.Error))
	}
	// Nothing more can be told where even stderr is closed.
	_ = p.flush()
	if a.json {
		_ = a.writeJSON(f)
	}
	return exitTrouble
}

// note tells the person at the terminal something that is no part of the
// result.
func (a *app) note(format string, args ...any) {
	p := a.printer(a.env.Stderr)
	p.printf("%s %s\n", p.yellow("Note:"), printable(fmt.Sprintf(format, args...)))
	_ = p.flush()
}

// warn is note for what may hurt.
func (a *app) warn(format string, args ...any) {
	p := a.printer(a.env.Stderr)
	p.printf("%s %s\n", p.bold(p.yellow("Warning:")), printable(fmt.Sprintf(format, args...)))
	_ = p.flush()
}

// printer makes one for stdout or stderr. Colours only where a person reads,
// and not where the person asked for none (no-color.org).
func (a *app) printer(w io.Writer) *printer {
	color := a.env.IsTerminal(w) && a.env.Getenv("NO_COLOR") == "" && a.env.Getenv("TERM") != "dumb"
	return newPrinter(w, color)
}
