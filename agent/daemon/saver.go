package daemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/agent/facts"
	"dockwall/agent/lastgood"
	"dockwall/agent/reconcile"
	"dockwall/netinfo"
)

// saveInterval is the least time between two writes of the facts: containers
// that come and go by the dozen are not worth a write each.
const saveInterval = 200 * time.Millisecond

// saveShare is how much longer than a write took the next one waits at least.
const saveShare = 50

// saver keeps, for the agent's next start, the last facts and the last good
// policy. It writes in its own time, never in the loop's.
type saver struct {
	log      hclog.Logger
	snapshot func() netinfo.Snapshot
	// factsPaths and policyPath are where they are kept.
	factsPaths []string
	policyPath string

	policy atomic.Pointer[config.Document]
	told   atomic.Pointer[netinfo.Snapshot]
	// failing are what could not be kept the last time, so that a full disk is
	// told of once.
	failing map[string]bool
	// written is what was written last, or was no news.
	written *netinfo.Snapshot
	wake    chan struct{}
	saved   [sha256.Size]byte // of what was saved last
}

func newSaver(log hclog.Logger, factsPaths []string, policyPath string) *saver {
	return &saver{log: log, factsPaths: factsPaths, policyPath: policyPath, wake: make(chan struct{}, 1), failing: map[string]bool{}}
}

// Passed is told of every pass. What the engine told last is what is kept, because it may
// be away by the time of the write, and the bridges of other programs that came since.
func (s *saver) Passed(reconcile.Pass, reconcile.Status) {
	snap, told := s.snapshot(), s.told.Load()
	if snap.Engine.Connected {
		s.told.Store(&snap)
	} else if told != nil {
		if more, news := facts.WithBridges(*told, snap.Links); news {
			s.told.Store(&more)
		}
	}
	s.poke()
}

// keep has a good document saved.
func (s *saver) keep(doc *config.Document) {
	s.policy.Store(doc)
	s.poke()
}

func (s *saver) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run saves until ctx ends, and once more then.
func (s *saver) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.save()
			return
		case <-s.wake:
		}
		// Thousands of containers take a while to write: what is written for a
		// restart is not to slow down what is running. The policy is short and does not
		// count: the first facts after it must not wait for a slow disk.
		took := s.save()
		select {
		case <-ctx.Done():
		case <-time.After(max(saveInterval, saveShare*took)):
		}
	}
}

// save writes what is news, and returns how long the facts took.
func (s *saver) save() time.Duration {
	if doc := s.policy.Swap(nil); doc != nil {
		err := lastgood.Save(s.policyPath, doc)
		if err != nil {
			s.policy.CompareAndSwap(nil, doc) // to be tried again, unless there is a newer one
		}
		s.tell("the last good policy", err)
	}
	begun := time.Now()
	s.tell("the facts", s.saveFacts())
	return time.Since(begun)
}

// tell says that something could not be kept, once, and when it can be again.
func (s *saver) tell(what string, err error) {
	switch {
	case err != nil && !s.failing[what]:
		s.log.Error(what+" cannot be kept for a restart, and will be tried again; the rules in force are not affected. Is the disk full, or the folder gone?", "error", err)
	case err == nil && s.failing[what]:
		s.log.Info(what + " can be kept again")
	}
	s.failing[what] = err != nil
}

// saveFacts writes what the engine has told, if that is news. What is known
// while it is away is what was saved before.
func (s *saver) saveFacts() error {
	snap := s.told.Load()
	if snap == nil {
		return nil
	}
	if s.written != nil && snap.Equal(s.written) {
		s.written = snap // it shares more with the next one
		return nil
	}
	var b bytes.Buffer
	if err := snap.WriteJSON(&b); err != nil {
		return err
	}
	sum := sha256.Sum256(b.Bytes())
	if sum == s.saved {
		s.written = snap
		return nil
	}
	var errs []error
	for _, path := range s.factsPaths {
		errs = append(errs, facts.WriteState(path, b.Bytes()))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.written, s.saved = snap, sum
	return nil
}
