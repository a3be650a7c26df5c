package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is the time of a Reader under test. Files that the test writes have the
// system's time: the clock begins far enough behind it for them to be finished.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

// desk is a folder with an agent.hcl and a Reader of it.
type desk struct {
	t     *testing.T
	dir   string
	kept  string
	clock *clock
	r     *Reader
	doc   *Document
	diags Diagnostics
}

const withFeed = "addresses \"feed\" {\n  file = \"feed.cidr\"\n  min = 2\n}\npublished \"p\" {\n  from = [addresses.feed]\n}\n"

func newDesk(t *testing.T, feed string) *desk {
	d := &desk{t: t, dir: t.TempDir(), kept: t.TempDir(), clock: &clock{time.Now().Add(time.Hour)}}
	d.write("agent.hcl", withFeed)
	d.write("feed.cidr", feed)
	d.restart()
	return d
}

// restart forgets everything except what is on disk.
func (d *desk) restart() {
	save := func(path string, contents []byte) error { return os.WriteFile(path, contents, 0o600) }
	d.r = NewReader(ReaderOptions{Folder: d.kept, Save: save, Now: func() time.Time { return d.clock.now }})
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(name, text string) { write(d.t, d.dir, name, text) }

func (d *desk) load() {
	d.t.Helper()
	d.doc, _, d.diags = d.r.LoadFiles(d.path("agent.hcl"))
	d.r.keep()
}

// want loads, and compares the addresses in force with those of the list.
func (d *desk) want(what string, addresses ...string) {
	d.t.Helper()
	d.load()
	if d.doc == nil {
		d.t.Fatalf("%s: %s", what, textOf(d.t, d.diags))
	}
	var want []netip.Prefix
	for _, a := range addresses {
		want = append(want, netip.MustParsePrefix(a))
	}
	if diff := cmp.Diff(want, d.doc.Policy.Addresses[0].Prefixes, netipByValue()); diff != "" {
		d.t.Fatalf("%s: -want +got:\n%s", what, diff)
	}
}

// held wants the last good state in force for a reason that holds the text.
func (d *desk) held(reason string) {
	d.t.Helper()
	if len(d.doc.Held) != 1 || !strings.Contains(d.doc.Held[0].Reason, reason) || d.doc.Held[0].Block != "addresses.feed" {
		d.t.Fatalf("held: %+v, want %q", d.doc.Held, reason)
	}
	if !slices.ContainsFunc(d.diags, func(g Diagnostic) bool {
		return g.Severity == Warning && strings.Contains(g.Summary, "last good state")
	}) {
		d.t.Errorf("no warning tells of it:\n%s", textOf(d.t, d.diags))
	}
}

const twoLines = "192.0.2.1\n192.0.2.2\n"

// TestBadListKeepsTheLastGoodOne spoils a list in every way: its last good state stays,
// the rest of the policy changes, also after a restart.
func TestBadListKeepsTheLastGoodOne(t *testing.T) {
	for reason, spoil := range map[string]func(*desk){
		"is empty":              func(d *desk) { d.write("feed.cidr", "") },
		"empty":                 func(d *desk) { d.write("feed.cidr", "\ufeff\n \r\n") },
		"fewer than min = 2":    func(d *desk) { d.write("feed.cidr", "192.0.2.9\n") },
		"0 entries, fewer":      func(d *desk) { d.write("feed.cidr", "# gone\n") },
		"feed.cidr:3:1":         func(d *desk) { d.write("feed.cidr", twoLines+"example.org\n") },
		"there is no such file": func(d *desk) { must(d.t, os.Remove(d.path("feed.cidr"))) },
		"it is a directory": func(d *desk) {
			must(d.t, os.Remove(d.path("feed.cidr")))
			must(d.t, os.Mkdir(d.path("feed.cidr"), 0o700))
		},
		"is not text in UTF-8":   func(d *desk) { d.write("feed.cidr", twoLines+"\x00\x00\x00") },
		"The line is too long":   func(d *desk) { d.write("feed.cidr", twoLines+strings.Repeat("#", maxAddressLine)+"\n") },
		"and 19 more errors":     func(d *desk) { d.write("feed.cidr", strings.Repeat("<html>\n", 100)) },
		"is not a range of addr": func(d *desk) { d.write("feed.cidr", twoLines+"192.0.2.9-192.0.2.1\n") },
	} {
		d := newDesk(t, twoLines)
		d.want("the list", "192.0.2.1/32", "192.0.2.2/32")
		spoil(d)
		d.write("agent.hcl", strings.ReplaceAll(withFeed, `"p"`, `"q"`))
		d.want(reason, "192.0.2.1/32", "192.0.2.2/32")
		d.held(reason)
		if d.doc.Policy.Published[0].Name != "q" {
			t.Errorf("%s: the rest of the policy did not change", reason)
		}
		d.restart()
		d.want(reason+", after a restart", "192.0.2.1/32", "192.0.2.2/32")
		d.held(reason)
		must(t, os.RemoveAll(d.path("feed.cidr")))
		d.write("feed.cidr", "192.0.2.3\n192.0.2.4-192.0.2.6 ; three\n")
		d.want("the list corrected", "192.0.2.3/32", "192.0.2.4/31", "192.0.2.6/32")
		if len(d.doc.Held) > 0 {
			t.Errorf("still held: %v", d.doc.Held)
		}
	}
}

// TestBadListWithoutAGoodOne is an error: a file that was never good.
func TestBadListWithoutAGoodOne(t *testing.T) {
	for _, feed := range []string{"", "192.0.2.1\n", "example.org\n"} {
		d := newDesk(t, feed)
		if d.load(); d.doc != nil || d.diags.Err() == nil {
			t.Errorf("%q is taken", feed)
		}
	}
	// A kept list that is below a min written since does not stand in.
	d := newDesk(t, twoLines)
	d.want("the list", "192.0.2.1/32", "192.0.2.2/32")
	d.write("agent.hcl", strings.ReplaceAll(withFeed, "min = 2", "min = 3"))
	if d.load(); d.doc != nil {
		t.Error("two entries are taken with min = 3")
	}
}

// TestCommentsAreAnEmptyList where no min forbids it.
func TestCommentsAreAnEmptyList(t *testing.T) {
	for _, feed := range []string{"# none\n", ";", "\ufeff\r\n; none"} {
		d := newDesk(t, feed)
		d.write("agent.hcl", strings.ReplaceAll(withFeed, "min = 2", ""))
		if d.want(feed); len(d.doc.Held) > 0 {
			t.Errorf("%q is held: %v", feed, d.doc.Held)
		}
	}
}

// writer is a program that has a file open for writing.
func (d *desk) open(name string, flag int) *os.File {
	d.t.Helper()
	f, err := os.OpenFile(d.path(name), os.O_WRONLY|flag, 0)
	must(d.t, err)
	d.t.Cleanup(func() { _ = f.Close() })
	return f
}

func add(t *testing.T, f *os.File, text string) {
	t.Helper()
	_, err := f.WriteString(text)
	must(t, err)
}

// TestListInTheMaking rewrites a list in place, as curl > list does: no part of it is
// in force before the writer is done.
func TestListInTheMaking(t *testing.T) {
	d := newDesk(t, twoLines)
	d.want("the list", "192.0.2.1/32", "192.0.2.2/32")
	f := d.open("feed.cidr", os.O_TRUNC)
	d.want("nothing is written yet", "192.0.2.1/32", "192.0.2.2/32")
	if len(d.doc.Held) > 0 {
		t.Errorf("told at once: %v", d.doc.Held)
	}
	d.clock.pass(toldTime)
	d.want("nothing is written yet", "192.0.2.1/32", "192.0.2.2/32")
	d.held("A program is writing")
	add(t, f, "198.51.100.1\n198.51.100.2\n198.5")
	// As long as it goes on, for the time that a download may take.
	for range 9 {
		d.clock.pass(growTime)
		add(t, f, "1.100.3\n198.5")
		d.want("half of it", "192.0.2.1/32", "192.0.2.2/32")
	}
	add(t, f, "1.100.4\n")
	must(t, f.Close())
	d.want("the whole list", "198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32", "198.51.100.4/32")
	if len(d.doc.Held) > 0 {
		t.Errorf("still held: %v", d.doc.Held)
	}
}

// TestListThatGrowsForEver is appended to by a program that never closes it: its whole
// lines are taken every few seconds.
func TestListThatGrowsForEver(t *testing.T) {
	d := newDesk(t, twoLines)
	d.want("the list", "192.0.2.1/32", "192.0.2.2/32")
	f := d.open("feed.cidr", os.O_APPEND)
	add(t, f, "192.0.2.3\n192.0.2")
	d.want("a line was just added", "192.0.2.1/32", "192.0.2.2/32")
	d.clock.pass(growTime)
	d.want("some seconds later", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32")
	add(t, f, ".4\n192.0.2.5\n")
	d.want("more was added", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32")
	d.clock.pass(growTime)
	d.want("later still", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "192.0.2.4/32", "192.0.2.5/32")
}

// TestWriterThatStops leaves the file open and writes nothing more.
func TestWriterThatStops(t *testing.T) {
	d := newDesk(t, twoLines)
	d.want("the list", "192.0.2.1/32", "192.0.2.2/32")
	f := d.open("feed.cidr", os.O_TRUNC)
	add(t, f, "198.51.100.1\n198.51.100.2\n198.51.100.3")
	d.want("it may go on", "192.0.2.1/32", "192.0.2.2/32")
	d.clock.pass(idleTime)
	d.want("it does not go on", "198.51.100.1/32", "198.51.100.2/32")
	must(t, f.Close())
	d.want("it is closed: the last line is whole", "198.51.100.1/32", "198.51.100.2/32", "198.51.100.3/32")
}

// TestSourceInTheMaking writes agent.hcl and files of agent.d in place.
func TestSourceInTheMaking(t *testing.T) {
	for _, name := range []string{"agent.hcl", "agent.d/x.hcl"} {
		d := newDesk(t, twoLines)
		d.write("agent.d/x.hcl", "# nothing\n")
		d.want("before", "192.0.2.1/32", "192.0.2.2/32")
		before := d.doc
		f := d.open(name, os.O_TRUNC)
		if d.load(); d.doc != before {
			t.Fatalf("%s: zero bytes are in force", name)
		}
		add(t, f, "addresses \"feed\" {\n  cidrs = [\"192.0.2.0/24\"]\n}\n")
		if d.load(); d.doc != before {
			t.Fatalf("%s: half a file is in force", name)
		}
		d.clock.pass(toldTime)
		if d.load(); len(d.doc.Held) != 1 || !strings.Contains(d.doc.Held[0].String(), "A program is writing "+d.path(name)) {
			t.Fatalf("%s: held is %v", name, d.doc.Held)
		}
		must(t, f.Close())
		if d.load(); d.doc == before {
			t.Fatalf("%s: the whole file is not in force", name)
		}
		d.write(name, "")
		if d.load(); d.doc != nil || !strings.Contains(d.diags.Err().Error(), "it is empty") {
			t.Fatalf("%s: zero bytes are a file: %v", name, d.diags)
		}
	}
}

// TestRecentlyWritten waits a moment after the last change: a loop of echo >> list
// opens the file again for every line.
func TestRecentlyWritten(t *testing.T) {
	d := newDesk(t, twoLines)
	d.want("the list", "192.0.2.1/32", "192.0.2.2/32")
	d.write("feed.cidr", twoLines+"192.0.2.3\n")
	st, err := os.Stat(d.path("feed.cidr"))
	must(t, err)
	d.clock.now = st.ModTime().Add(quietTime / 2)
	d.want("a moment later", "192.0.2.1/32", "192.0.2.2/32")
	d.clock.now = st.ModTime().Add(quietTime)
	d.want("quiet", "192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32")
}

// TestSettle ends when the writer does, and before, when status has to show the wait.
func TestSettle(t *testing.T) {
	d := newDesk(t, twoLines)
	d.want("the list", "192.0.2.1/32", "192.0.2.2/32")
	if d.r.Settle(t.Context()) {
		t.Error("it waited for nothing")
	}
	f := d.open("feed.cidr", os.O_TRUNC)
	d.load()
	if waiting, ripe := d.r.ripe(); !waiting || ripe {
		t.Errorf("waiting %v, ripe %v", waiting, ripe)
	}
	d.clock.pass(toldTime)
	if !d.r.Settle(t.Context()) {
		t.Error("status does not show the wait")
	}
	if waiting, ripe := d.r.ripe(); !waiting || ripe {
		t.Errorf("told twice: waiting %v, ripe %v", waiting, ripe)
	}
	add(t, f, twoLines)
	must(t, f.Close())
	if !d.r.Settle(t.Context()) || d.r.Settle(t.Context()) {
		t.Error("the end of the writing is told once")
	}
}

// TestOnce waits for the writer where nothing is known of before.
func TestOnce(t *testing.T) {
	d := newDesk(t, twoLines)
	f := d.open("feed.cidr", os.O_TRUNC)
	go func() {
		_, err := f.WriteString("198.51.100.1\n198.51.100.2\n")
		_ = f.Close()
		if err != nil {
			panic(err)
		}
	}()
	doc, diags := Load(d.path("agent.hcl"))
	if doc == nil || len(doc.Policy.Addresses[0].Prefixes) != 2 {
		t.Errorf("%v", textOf(t, diags))
	}
}
