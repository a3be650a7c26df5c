package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/lab"
)

// TestDemo plays the demo, which checks every verdict that it claims.
func TestDemo(t *testing.T) {
	var out bytes.Buffer
	tell(t, &out, lab.DefaultEngine)
	t.Logf("\n%s", &out)
	for line := range strings.Lines(out.String()) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
			t.Errorf("this line has %d columns:\n%s", n, line)
		}
	}
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if _, table, _ := strings.Cut(out.String(), "who                        dials"); !strings.Contains(string(readme), firstRows(table)) {
		t.Errorf("README shows another table than the demo")
	}
	for _, said := range []string{
		"agentctl diff\n", "dockwall is enforcing", "Did you mean addresses.office?",
		"every verdict of the table holds again",
	} {
		if !strings.Contains(out.String(), said) {
			t.Errorf("the demo does not say %q", said)
		}
	}
}

// firstRows is a table up to the empty line after it.
func firstRows(text string) string {
	rows, _, _ := strings.Cut(text, "\n\n")
	return rows
}

// TestCheck shows that a wrong verdict fails the demo.
func TestCheck(t *testing.T) {
	q := question{who: "stranger", what: "web  host:80", v4: way{to: addr("192.0.2.1")}}
	groups := []group{{questions: []question{q}}}
	for _, c := range []struct {
		got  answer
		fail bool
	}{
		{answer{closed, none}, false},
		{answer{open, none}, true},
		{answer{closed, closed}, true},
		{answer{none, none}, true},
	} {
		var errors bytes.Buffer
		stage := &stage{errors: &errors}
		(&story{t: stage}).check(groups, "now", [][]answer{{c.got}}, func(question) verdict { return closed })
		if stage.Failed() != c.fail {
			t.Errorf("verdict %v: failed is %v, want %v: %s", c.got, stage.Failed(), c.fail, &errors)
		}
	}
}

// TestTable shows how rows look.
func TestTable(t *testing.T) {
	groups := []group{{title: "From outside", questions: []question{{who: "stranger, eth0", what: "web host:80"}}}}
	var out bytes.Buffer
	(&story{t: t, out: &out}).table(groups, [][]answer{{{open, none}}}, [][]answer{{{closed, none}}})
	want := `                                                              before            now
  who                        dials                            IPv4    IPv6      IPv4    IPv6
  -- From outside ------------------------------------------------------------------------
  stranger, eth0             web host:80                      open    -         closed  -
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("x", 150)
	for _, c := range []struct {
		text  string
		lines int
		want  string
	}{
		{"a\nb\nc\n", 5, "a\nb\nc"},
		{"a\nb\nc\nd\ne\n", 2, "a\nb\n[... 2 lines more ...]\ne"},
		{"a\nb\nc\nd\n", 2, "a\nb\nc\nd"},
		{"+" + long, 1, "+" + long[:width-4] + "…"},
		{long, 1, long[:width-3] + "…"},
		{"  " + long[:60] + " " + long[:60] + " end\n", 1, "  " + long[:60] + "\n    " + long[:60] + " end"},
	} {
		if diff := cmp.Diff(c.want, excerpt(c.text, c.lines)); diff != "" {
			t.Errorf("excerpt of %q (-want +got):\n%s", c.text, diff)
		}
	}
}

// TestStage holds the stage to what a lab relies on: what is kept runs once,
// the last first, and Fatal ends the goroutine.
func TestStage(t *testing.T) {
	var out bytes.Buffer
	var did []string
	s := &stage{errors: &out}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer s.end()
		s.Cleanup(func() { did = append(did, "first") })
		s.Cleanup(func() { did = append(did, "last") })
		s.Fatalf("no %s", "way")
		did = append(did, "went on")
	}()
	<-done
	s.end()
	if diff := cmp.Diff([]string{"last", "first"}, did); diff != "" {
		t.Errorf("clean-ups (-want +got):\n%s", diff)
	}
	if !s.Failed() || out.String() != "demo: no way\n" {
		t.Errorf("failed is %v, it says %q", s.Failed(), &out)
	}
}
