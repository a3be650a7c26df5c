package trial

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/agent/reconcile"
)

// desk is a folder with an agent.hcl, and a clock that tests can set.
type desk struct {
	t     *testing.T
	file  string
	path  string
	start time.Time
	// set is by how much somebody has set the time of day, boots how often the
	// host was started anew.
	set   time.Duration
	boots int
	// kept is the last good policy; again counts the calls for another reading.
	kept  *config.Document
	again int
}

func newDesk(t *testing.T) *desk {
	dir := t.TempDir()
	d := &desk{t: t, file: filepath.Join(dir, "agent.hcl"), path: filepath.Join(dir, "trial.json"), start: time.Now()}
	d.write("a")
	return d
}

// write has agent.hcl hold one policy of this name.
func (d *desk) write(name string) { d.writeTo(d.file, name) }

func (d *desk) writeTo(file, name string) {
	d.t.Helper()
	text := "published \"" + name + "\" {\n  from = [\"203.0.113.0/24\"]\n}\n"
	if name == "bad" {
		text = "published \"x\" {\n}\n"
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) clock() Clock {
	return Clock{Now: func() time.Time { return time.Now().Add(d.set) }, Up: func() time.Duration { return time.Since(d.start) },
		Boot: string(rune('a' + d.boots))}
}

func (d *desk) options() Options {
	return Options{Log: hclog.NewNullLogger(), Clock: d.clock(), File: d.file, Path: d.path,
		Keep: func(doc *config.Document) { d.kept = doc }, Again: func(string) { d.again++ }}
}

// open is a keeper as agentd makes it, and the first reading.
func (d *desk) open() *Keeper {
	k := Open(d.options())
	if d.kept != nil {
		k.Remember(d.kept)
	}
	d.read(k)
	return k
}

// read is one reading as the loop does it, and the name of the policy; empty if
// there is none.
func (d *desk) read(k *Keeper) string {
	d.t.Helper()
	r := k.Read()
	if r.Settled {
		d.kept = r.Doc
	}
	if r.Doc == nil {
		return ""
	}
	return nameOf(d.t, r.Doc)
}

func nameOf(t *testing.T, doc *config.Document) string {
	t.Helper()
	if len(doc.Policy.Published) != 1 {
		t.Fatalf("the policy is %+v", doc.Policy)
	}
	return doc.Policy.Published[0].Name
}

func (d *desk) wantRead(k *Keeper, want string) {
	d.t.Helper()
	if got := d.read(k); got != want {
		d.t.Fatalf("in force is %q, want %q (status %+v)", got, want, k.Status())
	}
}

func (d *desk) begin(k *Keeper, candidate string) {
	d.t.Helper()
	if st, err := k.Begin(time.Minute, candidate); err != nil || st == nil || st.State != reconcile.TrialPending {
		d.t.Fatalf("Begin = %+v, %v", st, err)
	}
}

func (d *desk) wantState(k *Keeper, want reconcile.TrialState) {
	d.t.Helper()
	st := k.Status()
	if want == "" && st != nil || want != "" && (st == nil || st.State != want) {
		d.t.Fatalf("status %+v, want %q", st, want)
	}
}

// run runs the keeper until the test ends.
func run(t *testing.T, k *Keeper) {
	ctx := t.Context()
	done := make(chan struct{})
	go func() { defer close(done); k.Run(ctx) }()
	t.Cleanup(func() { <-done })
}

func bubble(t *testing.T, f func(*testing.T, *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newDesk(t)) })
}

func TestNotConfirmedGoesBack(t *testing.T) {
	// The file is put on trial before the loop has seen the change, or after.
	for _, seen := range []bool{false, true} {
		bubble(t, func(t *testing.T, d *desk) {
			k := d.open()
			run(t, k)
			d.write("b")
			if seen {
				time.Sleep(5 * time.Second)
				d.wantRead(k, "b")
			}
			d.begin(k, "")
			d.wantRead(k, "b")
			if nameOf(t, d.kept) != "a" {
				t.Error("a policy on trial is kept as the last good one")
			}
			time.Sleep(time.Minute - time.Millisecond)
			synctest.Wait()
			d.wantState(k, reconcile.TrialPending)
			before := d.again
			time.Sleep(time.Millisecond)
			synctest.Wait()
			if d.again == before {
				t.Error("nobody was told to go back")
			}
			d.wantState(k, reconcile.TrialUnconfirmed)
			d.wantRead(k, "a")
			d.wantRead(k, "a")
			if _, err := k.Confirm(); !errors.Is(err, ErrNone) {
				t.Errorf("Confirm afterwards: %v", err)
			}
			// A restart does not put it in force.
			d.wantRead(d.open(), "a")
			d.write("c")
			d.wantRead(k, "c")
			d.wantState(k, "")
			if _, err := os.Stat(d.path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("what was kept of the trial is still there: %v", err)
			}
		})
	}
}

func TestConfirmedStays(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		run(t, k)
		d.write("b")
		d.begin(k, "")
		time.Sleep(59 * time.Second)
		if st, err := k.Confirm(); err != nil || st.File != d.file {
			t.Fatalf("Confirm = %+v, %v", st, err)
		}
		d.wantState(k, "")
		if nameOf(t, d.kept) != "b" {
			t.Error("what was confirmed is not kept as the last good policy")
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		d.wantRead(k, "b")
		d.wantRead(d.open(), "b")
		// Nothing is left to go back to.
		if st, err := k.Begin(time.Minute, ""); st != nil || err != nil {
			t.Errorf("a trial of what was confirmed: %+v, %v", st, err)
		}
	})
}

func TestEditsArePartOfTheTrial(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		run(t, k)
		d.write("b")
		d.begin(k, "")
		d.wantRead(k, "b")
		d.write("c")
		d.wantRead(k, "c")
		d.write("bad")
		d.wantRead(k, "")
		if st, err := k.Confirm(); err == nil || errors.Is(err, ErrNone) {
			t.Errorf("a file with errors was confirmed: %+v, %v", st, err)
		}
		if st, err := k.Begin(time.Minute, ""); err == nil {
			t.Errorf("a second trial: %+v", st)
		}
		if err := k.Accept(); err == nil {
			t.Error("a pending trial was accepted")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantRead(k, "a")
		d.write("c")
		d.wantRead(k, "c")
	})
}

func TestAcceptedAfterAll(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		run(t, k)
		d.write("b")
		d.begin(k, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantRead(k, "a")
		// It can be tried again, and then accepted.
		d.begin(k, "")
		d.wantRead(k, "b")
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantRead(k, "a")
		if err := k.Accept(); err != nil {
			t.Fatal(err)
		}
		d.wantRead(k, "b")
		d.wantState(k, "")
	})
}

func TestNothingToTry(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		none := func(candidate string) {
			t.Helper()
			if st, err := k.Begin(time.Minute, candidate); st != nil || err != nil {
				t.Errorf("Begin = %+v, %v", st, err)
			}
			d.wantState(k, "")
		}
		none("")
		text, err := os.ReadFile(d.file)
		if err != nil {
			t.Fatal(err)
		}
		// Another text of the same meaning.
		if err := os.WriteFile(d.file, append([]byte("# a remark\n\n"), text...), 0o600); err != nil {
			t.Fatal(err)
		}
		none("")
		d.wantRead(k, "a")
		none("")
		none(d.file)
		// A change that has been in force for long is no news.
		d.write("b")
		d.wantRead(k, "b")
		time.Sleep(recent + time.Second)
		none("")
		d.write("bad")
		if st, err := k.Begin(time.Minute, ""); err == nil {
			t.Errorf("a trial of a bad file: %+v", st)
		}
		d.wantState(k, "")
	})
}

func TestSeveralEditsAreOneChange(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		run(t, k)
		for _, name := range []string{"b", "c"} {
			d.write(name)
			d.wantRead(k, name)
			time.Sleep(time.Minute)
		}
		d.begin(k, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantRead(k, "a")
	})
}

func TestChangeBackIsAChange(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		run(t, k)
		for _, name := range []string{"b", "a"} {
			d.write(name)
			d.wantRead(k, name)
			time.Sleep(time.Minute)
		}
		d.begin(k, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantRead(k, "b")
	})
}

func TestChangeWhileNobodyRan(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.open()
		d.write("b")
		k := d.open()
		d.begin(k, "")
		d.wantRead(k, "b")
		if k.Former() == nil || nameOf(t, k.Former()) != "a" {
			t.Error("what was in force before the restart is not what it goes back to")
		}
	})
}

func TestNothingBeginsThatIsNotKept(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		d.path = filepath.Join(filepath.Dir(d.file), "missing", "trial.json")
		k := d.open()
		d.write("b")
		if st, err := k.Begin(time.Minute, ""); err == nil {
			t.Fatalf("a trial that cannot be kept: %+v", st)
		}
		d.wantState(k, "")
	})
}

func TestDamagedRecord(t *testing.T) {
	for _, text := range []string{"", "{]", `{"format_version": 2}`, `{"format_version": 1, "file": "/another", "refused": {}}`} {
		bubble(t, func(t *testing.T, d *desk) {
			if err := os.WriteFile(d.path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			k := d.open()
			d.wantRead(k, "a")
			d.wantState(k, "")
			d.write("b")
			d.begin(k, "")
		})
	}
}

// TestListsConfirmNothing: a list of addresses that a program writes does not
// put a refused file in force.
func TestListsConfirmNothing(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		list := filepath.Join(filepath.Dir(d.file), "list")
		fill := func(text string) {
			if err := os.WriteFile(list, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		fill("192.0.2.1\n")
		k := d.open()
		run(t, k)
		text := "addresses \"l\" {\n  file = \"list\"\n}\npublished \"b\" {\n  from = [addresses.l]\n}\n"
		if err := os.WriteFile(d.file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		d.begin(k, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantRead(k, "a")
		fill("192.0.2.2\n")
		d.wantRead(k, "a")
	})
}
