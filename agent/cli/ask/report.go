package ask

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"dockwall/agent/cli/view"
	"dockwall/agent/config"
)

// show prints the result in the view that was asked for.
func (a *App) show(r view.Result) int {
	var err error
	if a.JSON {
		err = a.writeJSON(r)
	} else {
		p := a.Printer(a.Env.Stdout)
		r.Text(p)
		err = p.Flush()
	}
	if err != nil {
		fmt.Fprintf(a.Env.Stderr, "Error: writing the answer: %v\n", err)
		return view.Trouble
	}
	return r.Code()
}

func (a *App) writeJSON(v any) error {
	enc := json.NewEncoder(a.Env.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// BadFile is the error where the operator's file has errors.
type BadFile struct {
	Path  string
	Diags config.Diagnostics
}

// Error is the one-line form.
func (e *BadFile) Error() string { return e.Diags.Err().Error() }

// failure is the JSON of trouble.
type failure struct {
	view.Header
	Error       string             `json:"error"`
	Diagnostics config.Diagnostics `json:"diagnostics,omitempty"`
}

// Trouble reports an error and returns its exit code.
func (a *App) Trouble(err error) int {
	f := failure{Error: err.Error()}
	p := a.Printer(a.Env.Stderr)
	var bad *BadFile
	if errors.As(err, &bad) {
		f.Diagnostics = bad.Diags
		p.Diagnostics(bad.Diags)
	} else {
		p.Printf("%s %s\n", p.Bold(p.Red("Error:")), view.Printable(f.Error))
	}
	// Nothing more can be told where even stderr is closed.
	_ = p.Flush()
	if a.JSON {
		_ = a.writeJSON(f)
	}
	return view.Trouble
}

// Note tells the person at the terminal something that is no part of the
// result.
func (a *App) Note(format string, args ...any) {
	p := a.Printer(a.Env.Stderr)
	p.Printf("%s %s\n", p.Yellow("Note:"), view.Printable(fmt.Sprintf(format, args...)))
	_ = p.Flush()
}

// Warn is note for what may hurt.
func (a *App) Warn(format string, args ...any) {
	p := a.Printer(a.Env.Stderr)
	p.Printf("%s %s\n", p.Bold(p.Yellow("Warning:")), view.Printable(fmt.Sprintf(format, args...)))
	_ = p.Flush()
}

// Printer makes one for stdout or stderr. Colours only where a person reads,
// and not where the person asked for none (no-color.org).
func (a *App) Printer(w io.Writer) *view.Printer {
	color := a.Env.IsTerminal(w) && a.Env.Getenv("NO_COLOR") == "" && a.Env.Getenv("TERM") != "dumb"
	return view.NewPrinter(w, color)
}
