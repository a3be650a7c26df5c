package trial

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/agent/reconcile"
)

// look is how often a pending trial is looked at: a host that sleeps does not
// run timers on.
const look = 5 * time.Second

// Options are what a Keeper is made of.
type Options struct {
	Log   hclog.Logger
	Clock Clock
	// File is agent.hcl.
	File string
	// Reader reads it.
	Reader *config.Reader
	// Path is where the trial is kept, over restarts and reboots.
	Path string
	// Keep has a document kept as the last good one.
	Keep func(*config.Document)
	// Again asks for the file to be read again.
	Again func(cause string)
}

// Keeper is agentd's: it reads the file that is to be in force.
type Keeper struct {
	o       Options
	changed chan struct{}

	mu   sync.Mutex
	r    record
	past history
	// trying is what was last read in the pending trial; nil if it has errors.
	trying *config.Document
}

// record is what is on disk.
type record struct {
	FormatVersion int      `json:"format_version"`
	File          string   `json:"file"`
	Pending       *pending `json:"pending,omitempty"`
	Refused       *refused `json:"refused,omitempty"`
}

// pending is a trial that awaits its confirmation.
type pending struct {
	// Candidate is the file on trial; empty if agent.hcl itself.
	Candidate string   `json:"candidate,omitempty"`
	Deadline  Deadline `json:"deadline"`
	// Former is where a trial of agent.hcl itself goes back to. One of a
	// candidate goes back to agent.hcl.
	Former json.RawMessage `json:"former,omitempty"`
}

// refused is an agent.hcl that was not confirmed.
type refused struct {
	At     time.Time       `json:"at"`
	Text   string          `json:"text"`
	Former json.RawMessage `json:"former"`
}

// Open goes on with the trial that an earlier run began, if any. One that is
// over by now goes back before anything of it comes into force.
func Open(o Options) *Keeper {
	if o.Reader == nil {
		o.Reader = config.NewReader(config.ReaderOptions{Once: true})
	}
	k := &Keeper{o: o, changed: make(chan struct{}, 1), r: record{FormatVersion: formatVersion, File: o.File}}
	var r record
	switch ok, err := load(o.Path, &r); {
	case err != nil:
		o.Log.Warn("a trial of an earlier run is not known: the file is put in force", "error", err)
	case ok && r.File != o.File:
		o.Log.Warn("a trial of another file is left alone", "file", r.File)
	case ok:
		k.r = r
	}
	k.resume()
	return k
}

// resume ends the trial that is over, and goes on with the other in the time of
// this boot, which cannot be set.
func (k *Keeper) resume() {
	p := k.r.Pending
	if p == nil {
		return
	}
	left := p.Deadline.Left(k.o.Clock)
	if left == 0 {
		k.lapse()
		return
	}
	if p.Deadline.Boot == k.o.Clock.Boot {
		return
	}
	p.Deadline = NewDeadline(k.o.Clock, left)
	if err := k.persist(); err != nil {
		k.o.Log.Error("how long the trial lasts in this boot could not be kept", "error", err)
	}
}

// Run ends the trial at its deadline, until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	for {
		var timer <-chan time.Time
		if left, pending := k.expire(); pending {
			timer = time.After(min(left, look))
		}
		select {
		case <-ctx.Done():
			return
		case <-k.changed:
		case <-timer:
		}
	}
}

// expire ends the trial if it is over, and returns how much time is left.
func (k *Keeper) expire() (left time.Duration, pending bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p := k.r.Pending
	if p == nil {
		return 0, false
	}
	if left = p.Deadline.Left(k.o.Clock); left > 0 {
		return left, true
	}
	k.lapse()
	k.o.Again("the trial was not confirmed: going back")
	return 0, false
}

// lapse goes back. What cannot be kept on disk is in force all the same.
func (k *Keeper) lapse() {
	p := k.r.Pending
	k.r.Pending, k.trying = nil, nil
	if p.Candidate == "" {
		k.r.Refused = &refused{At: k.o.Clock.Now().Round(0), Text: textOf(k.o.File), Former: p.Former}
		if doc, err := decode(p.Former); err == nil {
			k.past = history{current: doc, text: k.r.Refused.Text}
		}
	}
	k.o.Log.Warn("the trial was not confirmed in time: the policy of before is in force again", "trial", k.fileOf(p))
	if err := k.persist(); err != nil {
		k.o.Log.Error("the end of the trial could not be kept", "error", err)
	}
}

func (k *Keeper) fileOf(p *pending) string {
	if p.Candidate != "" {
		return p.Candidate
	}
	return k.o.File
}

// persist keeps the record, or forgets it where there is nothing to keep.
func (k *Keeper) persist() error {
	if k.r.Pending == nil && k.r.Refused == nil {
		return forget(k.o.Path)
	}
	return save(k.o.Path, k.r)
}

func (k *Keeper) wake() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// Remember says what was in force before this run, as far as anybody knows.
func (k *Keeper) Remember(doc *config.Document) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.past.current == nil {
		k.past.current = doc
	}
}

// Former is where a trial of agent.hcl goes back to, or has gone back to; nil if
// there is none.
func (k *Keeper) Former() *config.Document {
	k.mu.Lock()
	defer k.mu.Unlock()
	var text json.RawMessage
	switch {
	case k.r.Pending != nil && k.r.Pending.Former != nil:
		text = k.r.Pending.Former
	case k.r.Refused != nil:
		text = k.r.Refused.Former
	default:
		return nil
	}
	doc, err := decode(text)
	if err != nil {
		k.o.Log.Error("the policy of before the trial cannot be read", "error", err)
		return nil
	}
	return doc
}

// Status is the trial that is pending, or was not confirmed; nil if neither.
func (k *Keeper) Status() *reconcile.Trial {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status()
}

func (k *Keeper) status() *reconcile.Trial {
	if p := k.r.Pending; p != nil {
		return &reconcile.Trial{State: reconcile.TrialPending, File: k.fileOf(p), Deadline: p.Deadline.At(k.o.Clock)}
	}
	if f := k.r.Refused; f != nil {
		return &reconcile.Trial{State: reconcile.TrialUnconfirmed, File: k.o.File, Deadline: f.At}
	}
	return nil
}

// Accept puts a file in force that was not confirmed. The error is there while
// a trial is pending.
func (k *Keeper) Accept() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p := k.r.Pending; p != nil {
		return k.busy(p)
	}
	if k.r.Refused == nil {
		return nil
	}
	k.r.Refused = nil
	k.o.Again("a file that was not confirmed was accepted")
	return k.persist()
}

// busy says that a trial is pending, and what to do.
func (k *Keeper) busy(p *pending) error {
	return fmt.Errorf("%s is on trial until %s: keep it with agentctl confirm, or wait until it has gone back",
		k.fileOf(p), p.Deadline.At(k.o.Clock).Local().Format(time.TimeOnly))
}

// ErrNone is the error of Confirm where nothing awaits confirmation.
var ErrNone = errors.New("nothing awaits confirmation")
