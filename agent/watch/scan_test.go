package watch

import (
	"testing"
	"testing/synctest"
	"time"

	"dockwall/netinfo/inventory"
)

const scanned = "container.scan"

// A scan stands for an hour after it was told of last, is logged once, and ends with its
// container.
func TestScanned(t *testing.T) {
	doc := plain()
	doc.Policy.LogDenied = true
	live(t, doc, func(w *town) {
		w.set(inventory.Container{Name: "new"})
		w.tell("create", "new", "")
		tell := func(name string) {
			w.w.Scanned(name, 20)
			synctest.Wait()
		}
		tell("nobody")
		if w.fails(scanned, "old") || w.fails(scanned, "new") {
			t.Error("a container fails that did not scan")
		}
		tell("old")
		time.Sleep(40 * time.Minute)
		tell("old")
		tell("new")
		if !w.fails(scanned, "old") || !w.fails(scanned, "new") || w.told("finding", scanned, "old") != 1 {
			t.Errorf("a scan does not stand, or was not told of once:\n%s", w.log)
		}
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		if !w.fails(scanned, "old") {
			t.Error("it ends though it went on")
		}
		delete(w.containers, "new")
		w.tell("destroy", "new", "")
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if w.fails(scanned, "old") || w.fails(scanned, "new") || len(w.w.scans) != 0 {
			t.Error("it stands though it is long over")
		}
	})
}

// Without reports of refused packets it is not known whether a container scans.
func TestScansUnseen(t *testing.T) {
	live(t, plain(), func(w *town) {
		w.w.Scanned("old", 20)
		synctest.Wait()
		if w.fails(scanned, "old") {
			t.Error("it fails without log_denied")
		}
	})
}
