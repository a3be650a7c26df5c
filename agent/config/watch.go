package config

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
)

// How soon a change is told. An event is told settle after the last one of a
// burst, and at most settleMax after its first; what no event told is found by
// looking, every pollWatched, pollShared where another host may have written (which
// inotify does not tell), or pollBlind where watching is not possible.
const (
	settle      = 20 * time.Millisecond
	settleMax   = 100 * time.Millisecond
	pollWatched = 10 * time.Second
	pollShared  = 2 * time.Second
	pollBlind   = 250 * time.Millisecond
)

// Watch calls notify whenever one of the files that doc names may have
// changed, until ctx is done; it then returns ctx's error. doc returns
// Document.Files (or LoadFiles' files) of the last load; a value on named says that
// it returns other files than before, and these are watched at once.
//
// It watches every folder that is looked into on the way to a file, so that
// a file which is replaced, by renaming or by swapping a symbolic link
// anywhere in its path, is seen as one that is written. Where the kernel does
// not tell (an overflown queue, a network file system, no inotify instances
// left) it finds changes by looking.
//
// notify only says "look again": it is called once at the beginning, for what
// changed since the load, and may be called without a change. It runs in
// Watch's goroutine and must not block.
func Watch(ctx context.Context, doc func() []string, named <-chan struct{}, notify func(), log hclog.Logger) error {
	if log == nil {
		log = hclog.NewNullLogger()
	}
	w := &watcher{doc: doc, named: named, log: log, watched: map[string]string{}, prints: map[string]string{}}
	defer w.close()
	w.look()
	notify()
	for {
		told, err := w.wait(ctx)
		if err != nil {
			return err
		}
		if changed := w.look(); told || changed {
			notify()
		}
	}
}

// watcher is the state of one Watch.
type watcher struct {
	doc   func() []string
	named <-chan struct{}
	log   hclog.Logger

	fs      *fsnotify.Watcher // nil: could not be made
	watched map[string]string // folder, as canonical path, to its fingerprint when the watch was made
	files   map[string]bool   // absolute paths that are followed
	steps   map[lookup]bool   // what an event has to be about to be told
	blind   bool              // some folder could not be watched
	shared  bool              // some folder is on a file system of another host
	prints  map[string]string // fingerprint of each file
}

// wait returns when there is a reason to look: an event about a step (told),
// or the time for a look.
func (w *watcher) wait(ctx context.Context) (told bool, err error) {
	poll := pollWatched
	switch {
	case w.blind:
		poll = pollBlind
	case w.shared:
		poll = pollShared
	}
	timer := time.NewTimer(poll)
	defer timer.Stop()
	var last <-chan time.Time // runs from the first event of a burst
	events, errs := w.channels()
	for {
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("watching the configuration: %w", ctx.Err())
		case <-timer.C:
			return told, nil
		case <-w.named:
			return told, nil
		case <-last:
			return told, nil
		case e, ok := <-events:
			if !ok {
				w.close()
				return true, nil
			}
			if !w.concerns(e) {
				continue
			}
			if told = true; last == nil {
				last = time.After(settleMax)
			}
			timer.Reset(settle)
		case err := <-errs:
			w.log.Warn("watching the configuration: watches are set up again", "error", err)
			w.close()
			return true, nil
		}
	}
}

// channels are the watcher's, or nil ones that never deliver.
func (w *watcher) channels() (chan fsnotify.Event, chan error) {
	if w.fs == nil {
		return nil, nil
	}
	return w.fs.Events, w.fs.Errors
}

// concerns reports whether an event is about a name that is looked up on the
// way to a file, or about a file of agent.d.
func (w *watcher) concerns(e fsnotify.Event) bool {
	dir, name := filepath.Split(e.Name)
	dir = filepath.Clean(dir)
	if w.steps[lookup{dir, name}] {
		return true
	}
	_, isFolder := w.watched[e.Name]
	return isFolder || w.steps[lookup{dir, "*"}] && isDropIn(name)
}

// look brings watches and fingerprints up to date, in this order, and reports
// whether a file changed since the last look. A file that is followed for the
// first time counts as changed: it is unknown what happened to it since it was
// read.
func (w *watcher) look() (changed bool) {
	w.files = map[string]bool{}
	for _, f := range w.doc() {
		if abs, err := filepath.Abs(f); err == nil {
			w.files[abs] = true
		}
	}
	w.follow()
	prints := make(map[string]string, len(w.files))
	for f := range w.files {
		prints[f] = fingerprint(f)
		if before, ok := w.prints[f]; !ok || before != prints[f] {
			changed = true
		}
	}
	w.prints = prints
	return changed
}
