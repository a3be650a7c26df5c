package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func textOf(t testing.TB, ds Diagnostics) string {
	t.Helper()
	var b strings.Builder
	if err := ds.WriteText(&b, false); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteText(t *testing.T) {
	ds := Diagnostics{
		{Severity: Error, Summary: `There is no addresses "ofice"`, Detail: "Did you mean addresses.office?", File: "agent.hcl",
			Line: 12, Column: 12, EndColumn: 27, Snippet: "\tfrom  =  [addresses.ofice]", Context: `in published "shop"`},
		{Severity: Warning, Summary: "odd\x1b[2J", File: "agent.d/x.hcl"},
	}
	want := "Error: There is no addresses \"ofice\"\n\n" +
		"  on agent.hcl line 12, in published \"shop\":\n" +
		"  12: \tfrom  =  [addresses.ofice]\n" +
		"      \t          ^^^^^^^^^^^^^^^\n" +
		"  at agent.hcl:12:12\n\n" +
		"  Did you mean addresses.office?\n" +
		"\n" +
		"Warning: odd [2J\n\n" +
		"  at agent.d/x.hcl\n"
	if diff := cmp.Diff(want, textOf(t, ds)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	var b strings.Builder
	if err := ds.WriteText(&b, true); err != nil || !strings.Contains(b.String(), "\x1b[31mError:") || strings.Contains(b.String(), "\x1b[2J") {
		t.Errorf("coloured text, error %v:\n%q", err, b.String())
	}
}

type fullWriter struct{ err error }

func (w fullWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteTextReportsTheWriter(t *testing.T) {
	full := errors.New("full")
	if err := (Diagnostics{{Summary: "x"}}).WriteText(fullWriter{full}, false); !errors.Is(err, full) {
		t.Errorf("WriteText = %v, want %v", err, full)
	}
}

func TestErr(t *testing.T) {
	ds := Diagnostics{
		{Severity: Warning, Summary: "odd", File: "agent.hcl", Line: 1, Column: 1},
		{Severity: Error, Summary: "wrong", File: "agent.hcl", Line: 12, Column: 3},
		{Severity: Error, Summary: "gone", File: "agent.d/x.hcl"},
	}
	if ds[:1].HasErrors() || ds[:1].Err() != nil {
		t.Error("a warning counts as an error")
	}
	if got, want := ds.Err().Error(), "agent.hcl:12:3: wrong; agent.d/x.hcl: gone"; got != want {
		t.Errorf("Err = %q, want %q", got, want)
	}
}
