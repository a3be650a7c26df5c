package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fixtures are single files, and folders with an agent.hcl in them.
func fixtures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/fixtures/*.hcl")
	if err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob("testdata/fixtures/*/agent.hcl")
	if err != nil {
		t.Fatal(err)
	}
	all := append(files, folders...)
	if len(all) < 10 {
		t.Fatalf("only %d fixtures found", len(all))
	}
	return all
}

// expectation is a comment in a fixture: # ERROR: text, on the line that is
// wrong. The text is part of the summary or the detail.
type expectation struct {
	severity Severity
	place    string // file:line
	text     string
}

func expectations(t *testing.T, file string) []expectation {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		return nil // a missing file holds no comments
	}
	var all []expectation
	for i, line := range strings.Split(string(data), "\n") {
		place := fmt.Sprintf("%s:%d", file, i+1)
		for _, comment := range strings.Split(line, "# ")[1:] {
			comment = strings.TrimSpace(comment)
			if text, ok := strings.CutPrefix(comment, "ERROR: "); ok {
				all = append(all, expectation{Error, place, text})
			}
			if text, ok := strings.CutPrefix(comment, "WARNING: "); ok {
				all = append(all, expectation{Warning, place, text})
			}
		}
	}
	return all
}

func (e expectation) met(d Diagnostic) bool {
	return d.Severity == e.severity && fmt.Sprintf("%s:%d", d.File, d.Line) == e.place &&
		(strings.Contains(d.Summary, e.text) || strings.Contains(d.Detail, e.text))
}

// TestFixtures wants exactly the diagnostics that the fixtures' comments say.
func TestFixtures(t *testing.T) {
	for _, path := range fixtures(t) {
		t.Run(path, func(t *testing.T) {
			doc, files, diags := LoadFiles(path)
			if (doc == nil) != diags.HasErrors() {
				t.Errorf("document %v with errors %v", doc, diags.HasErrors())
			}
			var want []expectation
			for _, f := range files {
				want = append(want, expectations(t, f)...)
			}
			if len(want) == 0 {
				t.Fatal("the fixture expects nothing")
			}
			for _, d := range diags {
				i := slices.IndexFunc(want, func(e expectation) bool { return e.met(d) })
				if i < 0 {
					t.Errorf("unexpected:\n%s", textOf(t, Diagnostics{d}))
					continue
				}
				want = slices.Delete(want, i, i+1)
				checkPlace(t, d)
			}
			for _, e := range want {
				t.Errorf("%s: no %s with %q", e.place, e.severity, e.text)
			}
		})
	}
}

// checkPlace holds every diagnostic to having a place that can be shown.
func checkPlace(t *testing.T, d Diagnostic) {
	t.Helper()
	if d.Column < 1 || d.EndColumn <= d.Column || d.Snippet == "" || d.underline() == "" {
		t.Errorf("cannot show the place of %+v", d)
	}
}

// TestAdvice holds the errors to what they tell people to write.
func TestAdvice(t *testing.T) {
	for value, want := range map[string]string{
		"10.0.0.1/8":           `The network is "10.0.0.0/8"; the single address is "10.0.0.1".`,
		"10.0.0.1-10.0.0.9":    `Ranges are written as CIDRs: "10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/30", "10.0.0.8/31".`,
		"10.1.0.0/255.255.0.0": `A prefix is given by its length: "10.1.0.0/16".`,
		"[2001:db8::1]:80":     `Ports are said by the attribute ports. Write "2001:db8::1" here.`,
		"010.0.00.1":           `Some programs read such numbers as octal. Write "10.0.0.1".`,
		"::ffff:192.0.2.1":     `No packet carries such an address. Write IPv4: "192.0.2.1".`,
		"fe80::1%eth0":         `Write "fe80::1"; the NIC "eth0" is said by via, with an interfaces block.`,
		"10.0.0.0/33":          `For IPv4 it is a number from 0 to 32, without leading zeros.`,
		"addresses.office":     `Write addresses.office, without quotes.`,
	} {
		ps, p := parseAddress(value)
		if p == nil {
			t.Errorf("parseAddress(%q) = %v, want a problem", value, ps)
			continue
		}
		if diff := cmp.Diff(want, p.detail); diff != "" {
			t.Errorf("%s: -want +got:\n%s", value, diff)
		}
	}
	for value, want := range map[string]string{
		"80-70/tcp": `Write "70-80/tcp".`, "tcp/80": `Write "80/tcp".`, "80 - 81": `Write "80-81".`, "80/tpc": `Did you mean "80/tcp"?`,
		"80:8080/tcp": `A range is written "80-8080/tcp". Of a published port (HOST:CONTAINER) write the host's: "80/tcp".`,
	} {
		if _, p := parsePorts(value); p == nil || p.detail != want {
			t.Errorf("parsePorts(%q) advises %+v, want %q", value, p, want)
		}
	}
}
