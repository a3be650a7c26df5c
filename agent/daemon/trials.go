package daemon

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/lastgood"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
)

// openTrials goes on with the trial of an earlier run. It is kept where the
// last good policy is.
func (a *agent) openTrials(o Options, reader *config.Reader) *trial.Keeper {
	socket := defaultSocket
	if doc, _ := config.Load(o.File); doc != nil {
		socket = doc.Settings.Control.Socket
	}
	return trial.Open(trial.Options{Log: a.log.Named("trial"), Clock: trial.SystemClock(), File: o.File, Reader: reader,
		Path: filepath.Join(lastgood.Dir(o.State, socket), "trial.json"),
		// The parts below are made later, and told nothing before they run.
		Keep:  func(doc *config.Document) { a.saver.keep(doc) },
		Again: func(cause string) { a.loop.Poke(reconcile.DueFile, cause) }})
}

// try begins a trial. A candidate lies beside the file: what belongs to one
// belongs to the other then, and the agent may read it.
func (a *agent) try(t control.Trying) (*reconcile.Trial, error) {
	if t.Candidate != "" && filepath.Dir(t.Candidate) != filepath.Dir(a.loader.path) {
		return nil, fmt.Errorf("%s does not lie in %s, where %s is", t.Candidate, filepath.Dir(a.loader.path), filepath.Base(a.loader.path))
	}
	return a.trials.Begin(t.Lasts, t.Candidate)
}

// confirm keeps what is on trial.
func (a *agent) confirm() (*reconcile.Trial, error) {
	t, err := a.trials.Confirm()
	if last := a.trials.Status(); errors.Is(err, trial.ErrNone) && last != nil && last.State == reconcile.TrialUnconfirmed {
		return nil, fmt.Errorf("%w: the trial of %s ended at %s, and the policy of before is in force", err, last.File, last.Deadline.Local().Format(time.DateTime))
	}
	return t, err
}

// takeOver ends a trial of agentctl's, whose kernel is the agent's from now on.
// Where an earlier policy is known to go back to, the trial goes on here.
func (a *agent) takeOver() {
	u, err := trial.EndUndo(trial.UndoPath(a.socket.Path()))
	if err != nil {
		a.log.Warn("a trial of agentctl's could not be taken over", "error", err)
	}
	if u == nil {
		return
	}
	var t *reconcile.Trial
	if u.File == a.loader.path {
		// One that is over goes back at once.
		t, err = a.trials.Begin(max(u.Deadline.Left(trial.SystemClock()), time.Millisecond), "")
	}
	if t == nil {
		a.log.Warn("the start ends a trial of agentctl's: no earlier policy is known to go back to", "trial", u.File, "error", err)
	}
}
