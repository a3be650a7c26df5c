package config

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
)

// TestWatchNamed has agent.hcl name a list in a folder that was not watched before: the
// list is watched when the loader says that it reads other files, not at the next poll.
func TestWatchNamed(t *testing.T) {
	path := write(t, t.TempDir(), "agent.hcl", "# nothing\n")
	list := write(t, t.TempDir(), "new.cidr", "192.0.2.1\n")
	var files atomic.Pointer[[]string]
	files.Store(&[]string{path})
	w := &watched{t: t, path: path, notified: make(chan struct{}, 1000)}
	named := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = Watch(ctx, func() []string { return *files.Load() }, named, func() { w.notified <- struct{}{} }, nil)
	}()
	defer func() { cancel(); <-done }()
	w.seen("the beginning")
	files.Store(&[]string{path, list})
	named <- struct{}{}
	w.seen("another file is named")
	for _, text := range []string{"192.0.2.2\n", "192.0.2.3\n"} {
		next := filepath.Join(filepath.Dir(list), "next")
		must(t, os.WriteFile(next, []byte(text), 0o600))
		must(t, os.Rename(next, list))
		w.seen("a change of the new list")
	}
}
