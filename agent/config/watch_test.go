package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// inForce is what the contract leaves for seeing a change and applying it.
const inForce = 500 * time.Millisecond

// watched is a running Watch over the files of an agent.hcl.
type watched struct {
	t        *testing.T
	path     string
	notified chan struct{}
}

// watchConfig starts Watch, and stops it when the test ends.
func watchConfig(t *testing.T, path string) *watched {
	t.Helper()
	w := &watched{t: t, path: path, notified: make(chan struct{}, 1000)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	r, named := NewReader(ReaderOptions{}), make(chan struct{})
	settled := make(chan struct{})
	go func() {
		defer close(settled)
		r.Run(ctx, func() {
			select {
			case named <- struct{}{}:
			case <-ctx.Done():
			}
		})
	}()
	go func() {
		done <- Watch(ctx, func() []string { _, files, _ := r.LoadFiles(path); return files }, named, func() { w.notified <- struct{}{} }, nil)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch = %v, want %v", err, context.Canceled)
		}
		<-settled
		goleak.VerifyNone(t)
	})
	w.seen("the beginning")
	return w
}

// seen waits for a notification.
func (w *watched) seen(what string) {
	w.t.Helper()
	select {
	case <-w.notified:
	case <-time.After(inForce):
		w.t.Fatalf("%s was not seen within %v", what, inForce)
	}
}

// sees runs a change and waits until the document has want published blocks:
// at each notification the files are read, as the agent does.
func (w *watched) sees(what string, want []string, change func()) {
	w.t.Helper()
	change()
	deadline := time.After(inForce)
	for {
		select {
		case <-w.notified:
			if slices.Equal(publishedNames(w.path), want) {
				return
			}
		case <-deadline:
			w.t.Fatalf("%s: %v published after %v, want %v", what, publishedNames(w.path), inForce, want)
		}
	}
}

func publishedNames(path string) []string {
	doc, _ := Load(path)
	if doc == nil {
		return nil
	}
	var names []string
	for _, p := range doc.Policy.Published {
		names = append(names, p.Name)
	}
	return names
}

func allow(name string) string { return "published \"" + name + "\" {\n  from = [\"any\"]\n}\n" }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWatchEditors(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "agent.hcl", allow("a"))
	w := watchConfig(t, path)
	w.sees("a write in place", []string{"b"}, func() { write(t, dir, "agent.hcl", allow("b")) })
	w.sees("a rename over it", []string{"c"}, func() {
		must(t, os.Rename(write(t, dir, ".agent.hcl.tmp", allow("c")), path))
	})
	w.sees("vim's backup and write", []string{"d"}, func() {
		must(t, os.Rename(path, path+"~"))
		write(t, dir, "agent.hcl", allow("d"))
	})
	w.sees("removal", nil, func() { must(t, os.Remove(path)) })
	w.sees("creation", []string{"e"}, func() { write(t, dir, "agent.hcl", allow("e")) })
	w.sees("a hard link over it", []string{"f"}, func() {
		must(t, os.Remove(path))
		must(t, os.Link(write(t, dir, "new", allow("f")), path))
	})
	w.sees("a write in place after all that", []string{"g"}, func() { write(t, dir, "agent.hcl", allow("g")) })
}

// TestWatchHalfWritten writes a file in two parts: the second is seen too.
func TestWatchHalfWritten(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", allow("a"))
	w := watchConfig(t, path)
	f, err := os.Create(path)
	must(t, err)
	whole := allow("b")
	_, err = f.WriteString(whole[:10])
	must(t, err)
	w.seen("the first half")
	w.sees("the second half", []string{"b"}, func() {
		_, err := f.WriteString(whole[10:])
		must(t, errors.Join(err, f.Close()))
	})
}

// TestWatchSymlinkSwap replaces files as a Kubernetes config map does: the
// folder that a symbolic link in the path points to is another one at once.
func TestWatchSymlinkSwap(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "..1/agent.hcl", allow("a"))
	write(t, dir, "..2/agent.hcl", allow("b"))
	data := filepath.Join(dir, "..data")
	path := filepath.Join(dir, "agent.hcl")
	must(t, os.Symlink("..1", data))
	must(t, os.Symlink("..data/agent.hcl", path))
	w := watchConfig(t, path)
	w.sees("the swap", []string{"b"}, func() {
		must(t, os.Symlink("..2", data+"_tmp"))
		must(t, os.Rename(data+"_tmp", data))
	})
	w.sees("a write behind the new link", []string{"c"}, func() { write(t, dir, "..2/agent.hcl", allow("c")) })
	w.sees("the link's removal", nil, func() { must(t, os.Remove(data)) })
	w.sees("the link's return", []string{"a"}, func() { must(t, os.Symlink("..1", data)) })
}

// TestWatchFolderSwap replaces the whole folder.
func TestWatchFolderSwap(t *testing.T) {
	root := t.TempDir()
	path := write(t, root, "etc/dockwall/agent.hcl", allow("a"))
	dir := filepath.Dir(path)
	w := watchConfig(t, path)
	w.sees("another folder", []string{"b"}, func() {
		write(t, root, "etc/new/agent.hcl", allow("b"))
		must(t, os.Rename(dir, dir+".old"))
		must(t, os.Rename(filepath.Join(root, "etc/new"), dir))
	})
	w.sees("a write in it", []string{"c"}, func() { write(t, dir, "agent.hcl", allow("c")) })
	w.sees("its removal", nil, func() { must(t, os.RemoveAll(filepath.Join(root, "etc"))) })
	w.sees("its return", []string{"d"}, func() { write(t, dir, "agent.hcl", allow("d")) })
}

func TestWatchAgentD(t *testing.T) {
	dir := t.TempDir()
	w := watchConfig(t, write(t, dir, "agent.hcl", allow("a")))
	w.sees("agent.d and a file in it", []string{"a", "b"}, func() { write(t, dir, "agent.d/b.hcl", allow("b")) })
	w.sees("one more file", []string{"a", "b", "c"}, func() { write(t, dir, "agent.d/c.hcl", allow("c")) })
	w.sees("a change", []string{"a", "b", "d"}, func() { write(t, dir, "agent.d/c.hcl", allow("d")) })
	w.sees("a removal", []string{"a", "d"}, func() { must(t, os.Remove(filepath.Join(dir, "agent.d/b.hcl"))) })
	w.sees("the folder's removal", []string{"a"}, func() { must(t, os.RemoveAll(filepath.Join(dir, "agent.d"))) })
	w.sees("the folder's return", []string{"a", "e"}, func() { write(t, dir, "agent.d/e.hcl", allow("e")) })
}

// TestWatchAddressesFile follows a file in another folder that is named, and
// made, only later.
func TestWatchAddressesFile(t *testing.T) {
	dir, feeds := t.TempDir(), t.TempDir()
	w := watchConfig(t, write(t, dir, "agent.hcl", allow("a")))
	feed := filepath.Join(feeds, "lists", "feed.cidr")
	w.sees("a file that is not there", nil, func() {
		write(t, dir, "agent.hcl", allow("b")+"addresses \"f\" {\n  file = \""+feed+"\"\n}\n")
	})
	w.sees("the file", []string{"b"}, func() { write(t, feeds, "lists/feed.cidr", "10.0.0.1\n") })
	w.sees("a wrong line in it", nil, func() { write(t, feeds, "lists/feed.cidr", "10.0.0.1/8\n") })
	w.sees("the line put right", []string{"b"}, func() { write(t, feeds, "lists/feed.cidr", "10.0.0.0/8\n") })
}

// TestConcerns leaves alone what happens beside the files.
func TestConcerns(t *testing.T) {
	dir := t.TempDir()
	path := write(t, dir, "agent.hcl", "# nothing\n")
	write(t, dir, "agent.d/a.hcl", "# nothing\n")
	_, files, _ := LoadFiles(path)
	w := &watcher{doc: func() []string { return files }, watched: map[string]string{}, prints: map[string]string{}}
	t.Cleanup(w.close)
	if !w.look() || w.look() {
		t.Error("the first look sees the files, the second nothing new")
	}
	for name, want := range map[string]bool{"agent.hcl": true, "agent.d": true, "agent.d/a.hcl": true, "agent.d/new.hcl": true,
		"other": false, ".agent.hcl.swp": false, "agent.d/.a.hcl.swp": false, "agent.d/.a.hcl": false, "agent.d/README": false} {
		if got := w.concerns(fsnotify.Event{Name: filepath.Join(dir, name)}); got != want {
			t.Errorf("concerns(%s) = %v, want %v", name, got, want)
		}
	}
}

// TestWatchBlind finds changes where the kernel tells nothing.
func TestWatchBlind(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", allow("a"))
	w := &watcher{doc: func() []string { return []string{path} }, watched: map[string]string{}, prints: map[string]string{}, blind: true}
	w.files = map[string]bool{path: true}
	w.prints[path] = fingerprint(path)
	if told, err := w.wait(t.Context()); told || err != nil {
		t.Fatalf("wait = %v, %v", told, err)
	}
	must(t, os.Rename(write(t, filepath.Dir(path), "new", allow("a")), path))
	if w.prints[path] == fingerprint(path) {
		t.Error("a file of the same size and content that took its place has the same fingerprint")
	}
	t.Cleanup(w.close)
	if !w.look() {
		t.Error("look did not see the change")
	}
}

// TestWatchShared looks more often where another host may write.
func TestWatchShared(t *testing.T) {
	for _, magic := range []uint32{unix.NFS_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.FUSE_SUPER_MAGIC, unix.V9FS_MAGIC} {
		if !sharedFS(magic) {
			t.Errorf("%#x is not taken for a file system that others write to", magic)
		}
	}
	path := write(t, t.TempDir(), "agent.hcl", allow("a"))
	w := &watcher{doc: func() []string { return []string{path} }, watched: map[string]string{}, prints: map[string]string{}, log: quiet()}
	t.Cleanup(w.close)
	if w.look(); w.shared {
		t.Errorf("%s is taken for a folder that other hosts write to", path)
	}
	w.shared = true
	begun := time.Now()
	if told, err := w.wait(t.Context()); told || err != nil {
		t.Fatalf("wait = %v, %v", told, err)
	}
	if took := time.Since(begun); took >= pollWatched {
		t.Errorf("the next look came after %v, as on a file system of this host", took)
	}
}

// TestWatchOverflow makes the watches anew, and tells, when events were lost.
func TestWatchOverflow(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", allow("a"))
	w := &watcher{doc: func() []string { return []string{path} }, watched: map[string]string{}, prints: map[string]string{}, log: quiet()}
	t.Cleanup(w.close)
	w.look()
	before := w.fs
	go func() { before.Errors <- fsnotify.ErrEventOverflow }()
	if told, err := w.wait(t.Context()); !told || err != nil {
		t.Fatalf("wait = %v, %v, want to be told", told, err)
	}
	w.look()
	if w.fs == nil || w.fs == before || len(w.watched) == 0 {
		t.Errorf("the watches were not set up again: %v", w.watched)
	}
}

func quiet() hclog.Logger { return hclog.NewNullLogger() }
