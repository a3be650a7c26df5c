package watch

import (
	"context"
	"os"
	"time"

	"dockwall/netinfo/inventory"
	rules "dockwall/rules/audit"
)

// looking is how often Docker's own files are looked at.
const looking = 15 * time.Second

// look has the whole host judged when a file that the audit asks for has changed:
// daemon.json, the units, keys and sockets.
func (w *Watch) look(ctx context.Context) {
	ticker := time.NewTicker(looking)
	defer ticker.Stop()
	last := map[string]os.FileInfo{}
	first := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		w.mu.Lock()
		d := w.base.Daemon
		w.mu.Unlock()
		now, changed := states(&d), false
		for path, st := range now {
			before, known := last[path]
			changed = changed || known && !same(before, st)
		}
		if last = now; changed && !first {
			w.o.Log.Info("a file of Docker's has changed; the host is judged again")
			w.askWhole()
		}
		first = false
	}
}

// states are the files that the audit asks for; nil for one that is not there.
func states(d *inventory.Daemon) map[string]os.FileInfo {
	files, folders := rules.Files(d)
	all := map[string]os.FileInfo{}
	for _, path := range append(append(files, folders...), d.FilePath) {
		if st, err := os.Stat(path); err == nil {
			all[path] = st
		} else {
			all[path] = nil
		}
	}
	return all
}

// same reports whether a file is as it was. The time at which a folder or a socket was
// changed says nothing: files come and go, and daemons start.
func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if a.Mode() != b.Mode() {
		return false
	}
	return !a.Mode().IsRegular() || os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
