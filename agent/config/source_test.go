package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func write(t testing.TB, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// onlyError loads a file that must have exactly one error, at the position.
func onlyError(t *testing.T, path, summary, position string) {
	t.Helper()
	doc, diags := Load(path)
	if doc != nil || len(diags) != 1 || diags[0].Severity != Error {
		t.Fatalf("document %v, diagnostics %+v, want one error", doc, diags)
	}
	if d := diags[0]; !strings.Contains(d.Summary, summary) || d.Position() != position {
		t.Errorf("%s: %s\nwant %s: …%s…", d.Position(), d.Summary, position, summary)
	}
}

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, tc := range []struct{ name, content, summary, position string }{
		{"nul.hcl", "log {}\n# x\x00y\n", "NUL byte", ":2:4"},
		{"latin1.hcl", "log {}\n# \xfcber\n", "not in UTF-8", ":2:3"},
		{"utf16.hcl", "\xff\xfel\x00o\x00", "UTF-16", ":1:1"},
		{"deep.hcl", "log {\n level = " + strings.Repeat("[", 1<<20), "nested too deeply", ":2:41"},
		{"template.hcl", "log {\n level = " + strings.Repeat(`"${`, 1<<16), "nested too deeply", ":2:104"},
		{"not.hcl", "log {\n level = " + strings.Repeat("!", 1<<20), "full of operators", ":2:1010"},
		{"index.hcl", "log {\n level = a" + strings.Repeat("[0]", 1<<18), "full of operators", ":2:3014"},
	} {
		onlyError(t, write(t, dir, tc.name, tc.content), tc.summary, at(tc.name)+tc.position)
	}
	onlyError(t, at("no-such.hcl"), "there is no such file", at("no-such.hcl"))
	onlyError(t, dir, "it is a directory", dir)
	if err := syscall.Mkfifo(at("fifo.hcl"), 0o600); err != nil {
		t.Fatal(err)
	}
	onlyError(t, at("fifo.hcl"), "not a regular file", at("fifo.hcl"))
	loop := at("loop.hcl")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	onlyError(t, loop, "too many levels of symbolic links", loop)
}

func TestOversizeFile(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", "# nothing\n")
	if err := os.Truncate(path, maxSource+1); err != nil {
		t.Fatal(err)
	}
	onlyError(t, path, "larger than 4 MiB", path)
}

func TestAgentDErrors(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "agent.hcl", "# nothing\n")
	folder := filepath.Join(dir, "agent.d")
	write(t, dir, "agent.d", "")
	onlyError(t, path, "not a directory", folder)
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(folder, "x.hcl"), 0o755); err != nil {
		t.Fatal(err)
	}
	onlyError(t, path, "it is a directory", filepath.Join(folder, "x.hcl"))
}

// TestByteOrderMark reads what editors of other systems write.
func TestByteOrderMark(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", utf8BOM+"published \"x\" {\r\n  from = [\"any\"]\r\n}\r\n")
	doc, diags := Load(path)
	if len(diags) > 0 || len(doc.Policy.Published) != 1 {
		t.Fatalf("diagnostics %+v", diags)
	}
	write(t, filepath.Dir(path), "agent.hcl", utf8BOM+"publish \"x\" {}")
	onlyError(t, path, "no block", path+":1:1")
}

func TestManyErrorsAreCut(t *testing.T) {
	var b bytes.Buffer
	for range 5000 {
		b.WriteString("zone {}\n")
	}
	_, diags := Load(write(t, t.TempDir(), "agent.hcl", b.String()))
	if len(diags) != maxDiagnostics+1 || !strings.HasPrefix(diags[maxDiagnostics].Summary, "4900 more") {
		t.Errorf("%d diagnostics, the last %+v", len(diags), diags[len(diags)-1])
	}
}

// TestAddressesFileLimits reads a million lines, and no more.
func TestAddressesFileLimits(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "agent.hcl", "addresses \"a\" {\n  file = \"feed\"\n}\npublished \"x\" {\n  from = [addresses.a]\n}\n")
	var b bytes.Buffer
	for i := range maxAddresses {
		b.Write(feedLine(i))
	}
	feed := write(t, dir, "feed", b.String())
	start := time.Now()
	doc, diags := Load(path)
	took := time.Since(start)
	if len(diags) > 0 || len(doc.Policy.Addresses[0].Prefixes) != maxAddresses {
		t.Fatalf("diagnostics %+v", diags)
	}
	t.Logf("a million lines took %v", took)
	write(t, dir, "feed", b.String()+"192.0.2.1\n")
	onlyError(t, path, "too many addresses", feed+":1000001:1")
	write(t, dir, "feed", strings.Repeat("x\n", maxAddresses))
	if _, diags := Load(path); len(diags) != maxAddressFileErrors {
		t.Errorf("%d errors of a file that is wrong throughout, want %d", len(diags), maxAddressFileErrors)
	}
	write(t, dir, "feed", "10.0.0.1\n"+strings.Repeat("x", 1<<20))
	onlyError(t, path, "The line is too long", feed+":2:1")
}

// feedLine is the i-th of many different addresses of both families.
func feedLine(i int) []byte {
	if i%2 == 0 {
		return fmt.Appendf(nil, "2001:db8::%x:%x\n", i>>16, i&0xffff)
	}
	return fmt.Appendf(nil, "10.%d.%d.%d # entry\n", i>>16&255, i>>8&255, i&255)
}
