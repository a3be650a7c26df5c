package config

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// ReaderOptions are what a Reader is made of.
type ReaderOptions struct {
	// Folder keeps the last good state of every addresses file over restarts; if empty,
	// only memory keeps it. It need not exist.
	Folder string
	// Save replaces a file in Folder, which it makes; if nil, the Reader only reads there.
	Save func(path string, contents []byte) error
	// Once is set by programs that read the files once: they wait for a file in the
	// making, instead of keeping what they read before.
	Once bool
	// Now is the clock; the system's if nil.
	Now func() time.Time
}

// Reader reads agent.hcl, agent.d and the addresses files again and again, and
// remembers the last good state of each: what is bad, or in the making, does not
// take its place.
type Reader struct {
	o ReaderOptions
	// arrived is told when something waits that did not wait before, or is to be kept.
	arrived chan struct{}

	mu    sync.Mutex
	lists map[string]*keptList
	waits map[string]*wait
	// stale reports whether the last LoadFiles returned what was read before.
	stale bool
	// readings are the last ones, by the path of agent.hcl.
	readings map[string]reading
}

// reading is what LoadFiles returned, and the files of hcl that it came from.
type reading struct {
	doc    *Document
	files  []string
	diags  Diagnostics
	prints map[string]string
}

// NewReader returns a Reader that has read nothing yet.
func NewReader(o ReaderOptions) *Reader {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Reader{o: o, arrived: make(chan struct{}, 1), lists: map[string]*keptList{}, waits: map[string]*wait{}, readings: map[string]reading{}}
}

// LoadFiles is config.LoadFiles. While a program writes agent.hcl or a file of agent.d
// it returns what it returned before, if there was anything. A bad addresses file is
// an error only if no good state of it is known; otherwise it is in Document.Held.
func (r *Reader) LoadFiles(path string) (*Document, []string, Diagnostics) {
	path = filepath.Clean(path)
	r.mu.Lock()
	defer r.mu.Unlock()
	before, known := r.readings[path]
	files := sourceFiles(path)
	r.stale = false
	if r.held(files, before.prints, known && !r.o.Once) && known {
		r.stale = true
		return r.beside(before, files), before.files, before.diags
	}
	now := reading{prints: printsOf(files)}
	now.doc, now.files, now.diags = load(path, r)
	// A file that changed while it was read may have been read in part.
	if known && !r.o.Once && r.held(files, now.prints, true) {
		r.stale = true
		return r.beside(before, files), before.files, before.diags
	}
	r.readings[path] = now
	return now.doc, now.files, now.diags
}

// beside is the document of before. It names the files that are in the making for so
// long that status shows it.
func (r *Reader) beside(before reading, files []string) *Document {
	if before.doc == nil {
		return nil
	}
	doc := before.doc
	for _, f := range files {
		if r.told(f) {
			c := *doc
			c.Held = append(slices.Clip(c.Held), Held{Block: "agent.hcl", Path: f, Reason: beingWritten(f).reason(), Waiting: true})
			doc = &c
		}
	}
	return doc
}

// told reports whether status shows that the file is in the making.
func (r *Reader) told(path string) bool {
	w := r.waits[path]
	return w != nil && r.o.Now().Sub(w.since) >= toldTime
}

// Await waits, some seconds at most, until neither the files of hcl nor a list that was
// read before is in the making: the next LoadFiles reads what is there now.
func (r *Reader) Await(ctx context.Context, path string) {
	ctx, cancel := context.WithTimeout(ctx, onceTime)
	defer cancel()
	for r.busy(filepath.Clean(path)) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollMaking):
		}
	}
}

// busy reports whether one of these files changed and is in the making.
func (r *Reader) busy(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	prints := maps.Clone(r.readings[path].prints)
	files := sourceFiles(path)
	for list, k := range r.lists {
		if k.now != nil && prints != nil {
			prints[list] = k.now.print
			files = append(files, list)
		}
	}
	return slices.ContainsFunc(files, func(f string) bool {
		if prints[f] != "" && prints[f] == fingerprint(f) {
			return false
		}
		state, _ := r.making(f)
		return state != finished
	})
}

// Stale reports whether the last LoadFiles returned what was read before, since a
// program is writing agent.hcl or a file of agent.d.
func (r *Reader) Stale() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stale
}

// sourceFiles are agent.hcl and the files of agent.d.
func sourceFiles(path string) []string {
	more, err := filepath.Glob(filepath.Join(escaped(filepath.Dir(path)), dropIns, "*.hcl"))
	if err != nil {
		return []string{path} // a path that Glob cannot take; load reports it
	}
	more = slices.DeleteFunc(more, func(f string) bool { return !isDropIn(filepath.Base(f)) })
	return append([]string{path}, more...)
}

// escaped is a path that means itself to Glob.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func printsOf(files []string) map[string]string {
	prints := map[string]string{}
	for _, f := range files {
		prints[f] = fingerprint(f)
	}
	return prints
}

// held reports whether one of the files that changed since prints is in the making.
// Without keep there is nothing to keep, and it waits for a program that has the file
// open for writing.
func (r *Reader) held(files []string, prints map[string]string, keep bool) bool {
	held := false
	for _, f := range files {
		if prints[f] != "" && prints[f] == fingerprint(f) {
			continue
		}
		if !keep {
			r.waitOnce(f)
		} else if r.unfinished(f, notGrown) {
			held = true
		}
	}
	return held
}

func notGrown() bool { return false }

// waitOnce waits until no program has the file open for writing, or too long.
func (r *Reader) waitOnce(path string) {
	for end := time.Now().Add(onceTime); time.Now().Before(end); time.Sleep(pollMaking) {
		if state, _ := r.making(path); state != open {
			return
		}
	}
}

// pollMaking is how often a file in the making is looked at.
const pollMaking = 20 * time.Millisecond

func (r *Reader) making(path string) (making, string) {
	f, err := openRegular(path)
	if err != nil {
		return finished, "" // reading it reports why
	}
	defer f.Close()
	state, err := makingOf(f, r.o.Now())
	if err != nil {
		return finished, ""
	}
	return state, fingerprint(path)
}

// unfinished reports whether the file is in the making and is to be waited for. If it
// is not, the caller reads it, and a later change begins another wait.
func (r *Reader) unfinished(path string, grown func() bool) bool {
	state, print := r.making(path)
	w, now := r.waits[path], r.o.Now()
	switch {
	case state == finished:
	case w == nil:
		r.waits[path] = &wait{since: now, changed: now, print: print}
		r.wake()
		return true
	default:
		w.note(print, now)
		if !w.due && !w.over(now, grown) {
			return true
		}
	}
	delete(r.waits, path)
	return false
}

func (r *Reader) wake() {
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// Run keeps the good lists on disk, and calls again when a file that was waited for
// can be read, until ctx ends.
func (r *Reader) Run(ctx context.Context, again func()) {
	for {
		select {
		case <-ctx.Done():
			r.keep()
			return
		case <-r.arrived:
		}
		r.keep()
		for r.Settle(ctx) {
			again()
		}
	}
}

// Settle waits until one of the files in the making can be read, or has to be shown by
// status. It returns false if there is none, or ctx ended.
func (r *Reader) Settle(ctx context.Context) bool {
	for {
		waiting, ripe := r.ripe()
		if !waiting || ripe {
			return ripe
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pollMaking):
		}
	}
}

// ripe reports whether there are files in the making, and whether one of them can be
// read now, or has been waited for so long that status shows it from now on. It
// reports each once.
func (r *Reader) ripe() (waiting, ripe bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.o.Now()
	for _, path := range slices.Sorted(maps.Keys(r.waits)) {
		w := r.waits[path]
		if w.due {
			continue
		}
		waiting = true
		if !w.told && now.Sub(w.since) >= toldTime {
			w.told, ripe = true, true
		}
		state, print := r.making(path)
		w.note(print, now)
		if state == finished || w.over(now, r.grown(path)) {
			w.due, ripe = true, true
		}
	}
	return waiting, ripe
}

// toldTime is how long a file is waited for before status shows it.
const toldTime = 2 * time.Second
