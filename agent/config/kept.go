package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Held is an addresses file whose last good state is in force instead of its content.
type Held struct {
	// Block is the addresses block, as in addresses.office.
	Block string `json:"block"`
	Path  string `json:"path"`
	// Reason says in one line why the content is not used.
	Reason string `json:"reason"`
	// Waiting reports whether a program is writing the file.
	Waiting bool `json:"waiting"`
	// Entries is how many entries the last good state has, Since when it was read.
	Entries int       `json:"entries"`
	Since   time.Time `json:"since"`
}

// String is the line for status and logs.
func (h Held) String() string {
	if h.Since.IsZero() {
		return fmt.Sprintf("what was read before stays in force: %s", h.Reason)
	}
	return fmt.Sprintf("%s: the last good state of %s (%d entries, read at %s) is in force: %s",
		h.Block, h.Path, h.Entries, h.Since.Local().Format(time.DateTime), h.Reason)
}

// keptList is what a Reader remembers of one addresses file.
type keptList struct {
	// now is the last reading, good or bad; good is the last that was accepted.
	now, good *listing
	since     time.Time
	// partial: now was read while a program was writing the file.
	partial bool
	// dirty: good is not on disk.
	dirty bool
}

// list returns the list of the file that an addresses block names. use is nil if there
// is none, and then why says what is wrong; if use is the last good state instead of
// the file's content, why says why.
func (r *Reader) list(path string, min int) (use *keptList, why *listing, waiting bool) {
	k := r.lists[path]
	if k == nil {
		k = r.recall(path)
		r.lists[path] = k
	}
	why, waiting = r.read(k, path)
	switch {
	case waiting:
	case why.good() && why.entries >= min:
		if k.good != why {
			k.dirty, k.since = true, r.o.Now()
			r.wake()
		}
		k.good = why
		return k, nil, false
	case why.good():
		short := *why
		short.problem = &problem{fmt.Sprintf("%s holds %s, fewer than min = %d", path, entries(why.entries), min),
			"A list this short is refused. Lower min if it is right."}
		why = &short
	}
	if k.good != nil && k.good.entries >= min {
		return k, why, waiting
	}
	return nil, why, waiting
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// read reads the file unless it is as it was. waiting: it is in the making, and the
// listing says so.
func (r *Reader) read(k *keptList, path string) (l *listing, waiting bool) {
	if k.now != nil && k.now.print == fingerprint(path) {
		if !k.partial {
			return k.now, false
		}
		if state, _ := r.making(path); state == open {
			return k.now, false
		}
	}
	if r.o.Once {
		r.waitOnce(path)
	} else if r.unfinished(path, r.grown(path)) {
		return beingWritten(path), true
	}
	state, _ := r.making(path)
	l = readListing(path, state == open)
	if l.problem == nil && state != open && l.print != fingerprint(path) && !r.o.Once && r.unfinished(path, notGrown) {
		return beingWritten(path), true // it changed while it was read
	}
	k.now, k.partial = l, state == open
	return l, false
}

func beingWritten(path string) *listing {
	return &listing{problem: &problem{"A program is writing " + path, "It is read when that is done."}}
}

// grown reports whether the file is the last good list and more behind it.
func (r *Reader) grown(path string) func() bool {
	return func() bool {
		k := r.lists[path]
		if k == nil || k.good == nil || k.good.size == 0 {
			return false
		}
		f, err := openRegular(path)
		if err != nil {
			return false
		}
		defer f.Close()
		h := sha256.New()
		n, err := io.CopyN(h, f, k.good.size)
		return err == nil && n == k.good.size && bytes.Equal(h.Sum(nil), k.good.sum[:])
	}
}

// keptHead begins a kept list; path, entries, bytes, SHA-256 and time follow.
const keptHead = "# dockwall keeps the last good state of an addresses file here.\n# path %q\n# entries %d size %d sha256 %s read %d\n"

// place is where the last good state of a file is kept.
func (r *Reader) place(path string) string {
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(r.o.Folder, hex.EncodeToString(sum[:12])+".cidr")
}

// recall reads what an earlier run kept. What cannot be read is not there.
func (r *Reader) recall(path string) *keptList {
	k := &keptList{}
	if r.o.Folder == "" {
		return k
	}
	place := r.place(path)
	f, err := os.Open(place)
	if err != nil {
		return k
	}
	defer f.Close()
	var of, sum string
	var n int
	var size, read int64
	if _, err := fmt.Fscanf(f, keptHead, &of, &n, &size, &sum, &read); err != nil || of != path {
		return k
	}
	l := readListing(place, false)
	raw, err := hex.DecodeString(sum)
	if !l.good() || err != nil || len(raw) != len(l.sum) {
		return k
	}
	l.entries, l.size, l.print = n, size, ""
	copy(l.sum[:], raw)
	k.good, k.since = l, time.Unix(read, 0)
	return k
}

// keep writes the good lists that are not on disk. A list that cannot be written is
// tried again with the next one.
func (r *Reader) keep() {
	if r.o.Save == nil || r.o.Folder == "" {
		return
	}
	for place, text := range r.unkept() {
		path, k := text.path, text.list
		if err := r.o.Save(place, k.text(path)); err != nil {
			continue
		}
		r.mu.Lock()
		if r.lists[path] != nil && r.lists[path].good == k.good {
			r.lists[path].dirty = false
		}
		r.mu.Unlock()
	}
}

type unkept struct {
	path string
	list keptList
}

// unkept copies the lists that are not on disk, by their place there.
func (r *Reader) unkept() map[string]unkept {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[string]unkept{}
	for path, k := range r.lists {
		if k.dirty {
			all[r.place(path)] = unkept{path, *k}
		}
	}
	return all
}

// text is the list as it is kept.
func (k *keptList) text(path string) []byte {
	var b strings.Builder
	l := k.good
	fmt.Fprintf(&b, keptHead, path, l.entries, l.size, hex.EncodeToString(l.sum[:]), k.since.Unix())
	for _, p := range l.prefixes {
		b.WriteString(p.String() + "\n")
	}
	return []byte(b.String())
}
