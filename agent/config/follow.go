package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// maxRounds bounds how often the steps are looked up again because they changed
// while their folders were being watched.
const maxRounds = 5

// follow makes the watches fit the files. A folder that appeared between
// looking up and watching is found by looking up again.
func (w *watcher) follow() {
	if w.fs == nil && !w.open() {
		return
	}
	for range maxRounds {
		w.lookUp()
		if !w.addAll() {
			break
		}
	}
	w.forget()
	w.shared = slices.ContainsFunc(w.folders(), func(dir string) bool {
		var st unix.Statfs_t
		return unix.Statfs(dir, &st) == nil && sharedFS(uint32(st.Type))
	})
}

// sharedFS reports whether other hosts, or a process of this one by itself, may write
// to a file system of this type.
func sharedFS(magic uint32) bool {
	switch magic {
	case unix.NFS_SUPER_MAGIC, unix.SMB_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC,
		unix.V9FS_MAGIC, unix.CEPH_SUPER_MAGIC, unix.AFS_SUPER_MAGIC, unix.AFS_FS_MAGIC, unix.CODA_SUPER_MAGIC, unix.OCFS2_SUPER_MAGIC:
		return true
	}
	return false
}

// addAll watches the folders and reports whether one of them was new.
func (w *watcher) addAll() (added bool) {
	var failed error
	for _, dir := range w.folders() {
		isNew, err := w.add(dir)
		if err != nil {
			failed = fmt.Errorf("watching %s: %w", dir, err)
		}
		added = added || isNew
	}
	w.setBlind(failed)
	return added
}

// open makes the inotify instance. Without one every look is a blind one, and
// tries again.
func (w *watcher) open() bool {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		w.setBlind(fmt.Errorf("asking the kernel for file events: %w", err))
		return false
	}
	w.fs = fsw
	return true
}

// setBlind takes note of whether all the watches could be made, and says so
// when that changes.
func (w *watcher) setBlind(err error) {
	if err != nil && !w.blind {
		w.log.Warn("watching the configuration: looking at the files again and again instead", "error", err)
	}
	w.blind = err != nil
}

// lookUp fills steps: every name that is looked up on the way to a file, and
// "*" for every file of a folder.
func (w *watcher) lookUp() {
	w.steps = map[lookup]bool{}
	for f := range w.files {
		w.lookUpFile(f)
		real, err := filepath.EvalSymlinks(f)
		if err != nil {
			continue
		}
		if st, err := os.Stat(real); err == nil && st.IsDir() {
			w.steps[lookup{real, "*"}] = true
		}
	}
}

func (w *watcher) lookUpFile(path string) {
	for _, step := range lookups(path) {
		w.steps[step] = true
	}
}

// folders are those of the steps.
func (w *watcher) folders() []string {
	seen := map[string]bool{}
	var all []string
	for step := range w.steps {
		if !seen[step.dir] {
			seen[step.dir] = true
			all = append(all, step.dir)
		}
	}
	return all
}

// add watches the folder, again if another one has taken its path, and reports
// whether it did.
func (w *watcher) add(dir string) (added bool, err error) {
	st, err := os.Stat(dir)
	if err != nil {
		return false, nil // gone again: the next round does not look into it
	}
	now := identity(st)
	if before, ok := w.watched[dir]; ok {
		if before == now && w.alive(dir) {
			return false, nil
		}
		w.remove(dir)
	}
	err = w.fs.Add(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	w.watched[dir] = now
	return true, nil
}

// alive reports whether fsnotify still has the watch: it drops it by itself when
// the folder is removed or moved.
func (w *watcher) alive(dir string) bool {
	for _, d := range w.fs.WatchList() {
		if d == dir {
			return true
		}
	}
	return false
}

// forget removes the watches of folders that are no longer looked into.
func (w *watcher) forget() {
	needed := map[string]bool{}
	for _, dir := range w.folders() {
		needed[dir] = true
	}
	for dir := range w.watched {
		if !needed[dir] {
			w.remove(dir)
		}
	}
}

func (w *watcher) remove(dir string) {
	delete(w.watched, dir)
	if err := w.fs.Remove(dir); err != nil && !errors.Is(err, fsnotify.ErrNonExistentWatch) {
		w.log.Debug("watching the configuration: removing a watch", "folder", dir, "error", err)
	}
}

// close gives the inotify instance back; the next look makes another.
func (w *watcher) close() {
	if w.fs == nil {
		return
	}
	if err := w.fs.Close(); err != nil {
		w.log.Debug("watching the configuration: closing", "error", err)
	}
	w.fs = nil
	clear(w.watched)
}
