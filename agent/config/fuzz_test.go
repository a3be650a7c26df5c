package config

import (
	"bytes"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"dockwall/rules/policy"

	"github.com/google/go-cmp/cmp"
	"go4.org/netipx"
)

// FuzzLoad reads anything at all as agent.hcl, beside an addresses file and a
// folder of drop-ins: Load neither panics nor breaks what it promises.
func FuzzLoad(f *testing.F) {
	for _, path := range append(fixtures(f), "testdata/full/agent.hcl", "../../agent.hcl.example") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, []byte("addresses \"feed-of-fuzz\" {\n  file = \"x.cidr\"\n}\n"))
		half := bytes.LastIndex(data[:len(data)/2], []byte("\n}\n"))
		f.Add(data[:max(half+3, 0)], data[max(half+3, 0):])
	}
	f.Fuzz(func(t *testing.T, data, more []byte) {
		dir := t.TempDir()
		write(t, dir, "x.cidr", "192.0.2.0/24\n")
		write(t, dir, "agent.hcl", string(data))
		write(t, dir, "agent.d/10.hcl", string(more))
		doc := checkLoad(t, dir)
		// The same two texts, with their places changed, are the same policy,
		// if they are one at all.
		write(t, dir, "agent.hcl", string(more))
		write(t, dir, "agent.d/10.hcl", string(data))
		swapped := checkLoad(t, dir)
		if (doc == nil) != (swapped == nil) {
			t.Fatalf("one order of the files is good, the other is not: %v, %v", doc, swapped)
		}
		if doc == nil {
			return
		}
		if d := cmp.Diff(doc.Policy, swapped.Policy, ignorePlaces(), comparePrefixes()); d != "" {
			t.Fatalf("the order of the files has a meaning (-first +second):\n%s", d)
		}
	})
}

func comparePrefixes() cmp.Option {
	return cmp.Options{cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })}
}

// checkLoad loads agent.hcl and holds what comes back to what is promised.
func checkLoad(t *testing.T, dir string) *Document {
	t.Helper()
	doc, files, diags := LoadFiles(filepath.Join(dir, "agent.hcl"))
	if (doc == nil) != diags.HasErrors() {
		t.Fatalf("document %v, diagnostics %+v", doc, diags)
	}
	checkDiagnostics(t, files, diags)
	if doc != nil {
		checkPolicy(t, doc.Policy)
	}
	return doc
}

// checkDiagnostics holds every diagnostic to a place that is there: a line of a
// file that was read, columns within that line, and that line shown.
func checkDiagnostics(t *testing.T, files []string, diags Diagnostics) {
	t.Helper()
	if len(diags) > 2*maxDiagnostics+1 {
		t.Fatalf("%d diagnostics", len(diags))
	}
	for _, d := range diags {
		if d.Summary == "" || !slices.Contains(files, d.File) || (d.Line > 0) != (d.Column > 0) || d.Line > 0 && d.EndColumn <= d.Column {
			t.Fatalf("not a whole diagnostic: %+v", d)
		}
		if len(d.Summary) > maxSummary+4 || len(d.Detail) > maxDetail+4 || len(d.Snippet) > 3*maxSnippet {
			t.Fatalf("a diagnostic of boundless length: %+v", d)
		}
		if d.Line > 0 {
			checkLine(t, d)
		}
	}
	if err := diags.WriteText(io.Discard, true); err != nil {
		t.Fatal(err)
	}
}

func checkLine(t *testing.T, d Diagnostic) {
	t.Helper()
	data, err := os.ReadFile(d.File)
	if err != nil {
		t.Fatalf("%+v: %v", d, err)
	}
	lines := strings.Split(strings.TrimPrefix(string(data), utf8BOM), "\n")
	if d.Line > len(lines) {
		t.Fatalf("line %d of %d: %+v", d.Line, len(lines), d)
	}
	line := lines[d.Line-1]
	// One past the end is where something is missing.
	if width := utf8.RuneCountInString(line); d.Column > width+1 || d.EndColumn > max(width, d.Column)+1 {
		t.Fatalf("columns %d to %d of %d: %+v", d.Column, d.EndColumn, width, d)
	}
	// How many of the line's trailing carriage returns are shown is no matter.
	want := strings.TrimRight(cutLine(line), "\r")
	if filepath.Ext(d.File) != ".hcl" {
		// Of an addresses file, what looks like an address is shown and nothing else.
		if text := strings.TrimSpace(uncommented(line)); strings.Trim(text, "0123456789abcdefABCDEF.:/-") != "" && text != "any" {
			want = notShown
		} else {
			want = strings.TrimRightFunc(uncommented(line), unicode.IsSpace)
		}
	}
	if d.Snippet != "" && d.Snippet != notShown && strings.TrimRight(d.Snippet, "\r") != want {
		t.Fatalf("line %d is %q, not %q", d.Line, want, d.Snippet)
	}
}

// checkPolicy holds what others rely on: nothing is empty that must not be.
func checkPolicy(t *testing.T, p policy.Policy) {
	t.Helper()
	for _, b := range p.Published {
		if b.From.Empty() || b.Name == "" || b.Origin.Line == 0 {
			t.Fatalf("published %+v", b)
		}
	}
	for _, b := range p.Between {
		if len(b.From) == 0 || len(b.To) == 0 {
			t.Fatalf("between %+v", b)
		}
	}
	for _, b := range p.Egress {
		if b.To.Empty() {
			t.Fatalf("egress %+v", b)
		}
	}
	for _, a := range p.Addresses {
		for _, prefix := range a.Prefixes {
			if prefix != prefix.Masked() || prefix.Addr().Is4In6() || prefix == (netip.Prefix{}) {
				t.Fatalf("addresses %+v", a)
			}
		}
	}
}

// FuzzAddresses reads anything at all as an addresses file. What is in force
// afterwards is what the lines say, read here a second time and otherwise; and
// a line that says nothing readable is an error at that line.
func FuzzAddresses(f *testing.F) {
	for _, path := range []string{"testdata/full/office.cidr", "testdata/fixtures/files/bad.cidr", "testdata/fixtures/files/comments.cidr"} {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("\ufeff10.0.0.0/8\r\n::/0 # all\n\t192.0.2.1 \n::ffff:192.0.2.1\nfe80::1%eth0\n10.0.0.1/8\n"))
	f.Add([]byte("192.0.2.5-192.0.2.9 ; a range\n2001:db8::1 - 2001:db8::ffff\n10.0.0.9-10.0.0.1\n"))
	f.Add([]byte("10.0.0.0/8\n10.0.0.0/8\n2001:DB8::/32\n0.0.0.0/0"))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		feed := write(t, dir, "x.cidr", string(data))
		write(t, dir, "agent.hcl", "addresses \"feed\" {\n  file = \"x.cidr\"\n}\npublished \"p\" {\n  from = [addresses.feed]\n}\n")
		doc := checkLoad(t, dir)
		want, bad := readLines(data)
		if doc == nil {
			_, diags := Load(filepath.Join(dir, "agent.hcl"))
			if bad == 0 && len(bytes.TrimSpace(bytes.TrimPrefix(data, []byte(utf8BOM)))) == 0 {
				return // no comment says that the list is empty
			}
			if d := diags[0]; d.File != feed || d.Line != bad || len(diags) > maxAddressFileErrors {
				t.Fatalf("the first bad line is %d: %+v", bad, diags)
			}
			return
		}
		if bad != 0 {
			t.Fatalf("line %d of %q was taken", bad, data)
		}
		if d := cmp.Diff(want, doc.Policy.Addresses[0].Prefixes, comparePrefixes()); d != "" {
			t.Fatalf("%q (-want +got):\n%s", data, d)
		}
	})
}

// uncommented is a line of an addresses file up to its comment.
func uncommented(line string) string {
	if at := strings.IndexAny(line, "#;"); at >= 0 {
		return line[:at]
	}
	return line
}

// readLines reads an addresses file as the contract describes it. bad is the
// first line that is neither an address, a CIDR nor nothing; 0 for none.
func readLines(data []byte) (all []netip.Prefix, bad int) {
	lines := strings.Split(strings.TrimPrefix(string(data), utf8BOM), "\n")
	for i, line := range lines {
		text := strings.TrimSpace(uncommented(line))
		if lo, hi, ok := strings.Cut(text, "-"); ok {
			r, err := netipx.ParseIPRange(strings.TrimSpace(lo) + "-" + strings.TrimSpace(hi))
			if err != nil || r.From().Zone() != "" || r.To().Zone() != "" || r.From().Is4In6() || r.To().Is4In6() {
				return nil, i + 1
			}
			all = append(all, r.Prefixes()...)
			continue
		}
		p, err := netip.ParsePrefix(text)
		if a, aerr := netip.ParseAddr(text); aerr == nil && a.Zone() == "" {
			p, err = a.Prefix(a.BitLen())
		}
		switch {
		case len(line) >= maxAddressLine, text != "" && (err != nil || p.Masked() != p || p.Addr().Is4In6()):
			return nil, i + 1
		case text != "":
			all = append(all, p)
		}
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(all), 0
}
