package trial

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"dockwall/agent/reconcile"
)

func TestCandidate(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		run(t, k)
		candidate := filepath.Join(filepath.Dir(d.file), "new.hcl")
		d.writeTo(candidate, "b")
		d.begin(k, candidate)
		d.wantRead(k, "b")
		d.writeTo(candidate, "c")
		d.wantRead(k, "c")
		d.wantRead(d.open(), "c") // over a restart
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantState(k, "")
		d.wantRead(k, "a")

		d.begin(k, candidate)
		if err := os.Rename(candidate, d.file); err != nil {
			t.Fatal(err)
		}
		if st, err := k.Confirm(); err != nil || st.File != candidate {
			t.Fatalf("Confirm = %+v, %v", st, err)
		}
		d.wantRead(k, "c")
		if d.kept.Settings.Path != d.file {
			t.Errorf("what was confirmed is kept as that of %s", d.kept.Settings.Path)
		}
	})
}

func TestCandidateBesideARefusedFile(t *testing.T) {
	bubble(t, func(t *testing.T, d *desk) {
		k := d.open()
		run(t, k)
		d.write("b")
		d.begin(k, "")
		time.Sleep(time.Minute)
		synctest.Wait()
		candidate := filepath.Join(filepath.Dir(d.file), "new.hcl")
		d.writeTo(candidate, "c")
		d.begin(k, candidate)
		d.wantRead(k, "c")
		time.Sleep(time.Minute)
		synctest.Wait()
		d.wantRead(k, "a") // not b, which nobody ever confirmed
		d.wantState(k, reconcile.TrialUnconfirmed)
	})
}
