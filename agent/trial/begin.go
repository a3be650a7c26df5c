package trial

import (
	"context"
	"fmt"
	"time"

	"dockwall/agent/config"
	"dockwall/agent/reconcile"
)

// Begin puts a file on trial: the candidate, or agent.hcl itself where none is
// named. It returns nil where that would change nothing. The error is the
// caller's to read, and then nothing was begun.
//
// A trial of agent.hcl goes back to what was in force before the file changed,
// even if that change is in force already, provided that it was made recently (recent).
func (k *Keeper) Begin(lasts time.Duration, candidate string) (*reconcile.Trial, error) {
	// What was written a moment ago is what the operator wants to try.
	k.o.Reader.Await(context.Background(), k.o.File)
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.r.Pending; p != nil {
		return nil, k.busy(p)
	}
	file := k.o.File
	if candidate != "" {
		file = candidate
	}
	doc, _, diags := k.o.Reader.LoadFiles(file)
	if doc == nil {
		return nil, diags.Err()
	}
	p := &pending{Candidate: candidate, Deadline: NewDeadline(k.o.Clock, lasts)}
	next := record{FormatVersion: formatVersion, File: k.o.File, Pending: p}
	if candidate != "" {
		next.Refused = k.r.Refused
		if k.past.current != nil && same(doc, k.past.current) {
			return nil, nil
		}
	} else {
		former, err := k.former(doc)
		if former == nil || err != nil {
			return nil, err
		}
		if p.Former, err = encode(former); err != nil {
			return nil, err
		}
		k.o.Keep(former)
	}
	if err := save(k.o.Path, next); err != nil {
		return nil, err
	}
	k.r, k.trying = next, doc
	k.o.Log.Info("a trial begins; it goes back by itself unless it is confirmed", "file", file, "lasts", lasts)
	k.wake()
	k.o.Again("a trial begins")
	return k.status(), nil
}

// former is what a trial of this agent.hcl goes back to; nil if nothing changed.
func (k *Keeper) former(doc *config.Document) (*config.Document, error) {
	if k.r.Refused != nil {
		back, err := decode(k.r.Refused.Former)
		if err != nil {
			return nil, fmt.Errorf("the policy in force cannot be read: %w", err)
		}
		return back, nil
	}
	if k.past.current == nil {
		return nil, fmt.Errorf("nothing is in force yet that a trial could go back to")
	}
	if !same(doc, k.past.current) {
		return k.past.current, nil
	}
	return k.past.before(k.o.Clock.Up()), nil
}

// Confirm keeps what is on trial. The error is ErrNone where no trial is
// pending, and then Status says whether one was.
func (k *Keeper) Confirm() (*reconcile.Trial, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.r.Pending
	if p == nil || p.Deadline.Left(k.o.Clock) == 0 {
		return nil, ErrNone
	}
	if k.trying == nil {
		return nil, fmt.Errorf("%s has errors, and is not what is in force: correct it first", k.fileOf(p))
	}
	was := k.status()
	before := k.r
	k.r.Pending = nil
	if p.Candidate != "" {
		k.r.Refused = nil
	}
	if err := k.persist(); err != nil {
		k.r = before
		return nil, err
	}
	doc := *k.trying
	doc.Settings.Path = k.o.File
	k.trying = nil
	k.past = history{current: &doc, text: textOf(k.o.File)}
	k.o.Keep(&doc)
	k.o.Log.Info("the trial was confirmed", "file", was.File)
	k.wake()
	k.o.Again("the trial was confirmed")
	return was, nil
}
