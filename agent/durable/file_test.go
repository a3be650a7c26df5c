package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// only fails unless the folder holds this one file with these contents.
func only(t *testing.T, path, want string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || string(text) != want || len(entries) != 1 {
		t.Errorf("the folder holds %v; the file is %q (%v), want %q", entries, text, err, want)
	}
}

func TestModeAndOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := Replace(path, []byte("one"), 0o640); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o640 {
		t.Errorf("a new file is %v (%v)", fi.Mode(), err)
	}
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 4242, 4243
	}
	if err := errors.Join(os.Chmod(path, 0o604), os.Chown(path, uid, gid), Replace(path, []byte("two"), 0o600)); err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := fi.Sys().(*syscall.Stat_t); fi.Mode() != 0o604 || int(st.Uid) != uid || int(st.Gid) != gid {
		t.Errorf("the file is %v of %d:%d now", fi.Mode(), st.Uid, st.Gid)
	}
	only(t, path, "two")
	other := filepath.Join(t.TempDir(), "copy")
	if err := ReplaceLike(other, []byte("one"), path); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(other); err != nil || fi.Mode() != 0o604 || int(fi.Sys().(*syscall.Stat_t).Gid) != gid {
		t.Errorf("the copy is %+v (%v)", fi, err)
	}
}

// TestFailures lets each step fail once.
func TestFailures(t *testing.T) {
	full := syscall.ENOSPC
	tests := []struct {
		name  string
		spoil func(*disk)
		want  string
	}{
		{"create", func(d *disk) { d.create = func(string, string) (*os.File, error) { return nil, full } }, "old"},
		{"fsync of the file", func(d *disk) { d.syncFile = func(*os.File) error { return full } }, "old"},
		{"rename", func(d *disk) { d.rename = func(string, string) error { return full } }, "old"},
		{"fsync of the folder", func(d *disk) { d.syncFolder = func(string) error { return full } }, "new"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		d := system()
		tt.spoil(&d)
		if err := d.replace(path, []byte("new"), 0o600); !errors.Is(err, full) {
			t.Errorf("%s: %v", tt.name, err)
		}
		only(t, path, tt.want)
	}
}

// TestWriteFails has a temporary file that takes no contents.
func TestWriteFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := system()
	d.create = func(folder, _ string) (*os.File, error) {
		return os.OpenFile(filepath.Join(folder, "read-only"), os.O_CREATE|os.O_RDONLY, 0o600)
	}
	if err := d.replace(path, []byte("new"), 0o600); !errors.Is(err, syscall.EBADF) {
		t.Errorf("replace = %v", err)
	}
	only(t, path, "old")
}

func TestPlaceReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	draft, err := Write(path, []byte("draft"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("another program's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := draft.Place(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Place = %v", err)
	}
	only(t, path, "another program's")
}

func TestRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(Replace(path, []byte("text"), 0o600), Remove(path), Remove(path)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func TestMove(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b")
	if err := os.Mkdir(from, 0o700); err != nil {
		t.Fatal(err)
	}
	synced := map[string]bool{}
	d := system()
	d.syncFolder = func(path string) error { synced[path] = true; return nil }
	if err := d.move(from, to); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(to); err != nil || !synced[filepath.Dir(from)] || !synced[filepath.Dir(to)] {
		t.Errorf("%v; synced are %v", err, synced)
	}
	if err := d.move(from, to); err == nil {
		t.Error("moving what is not there is no error")
	}
}
