package trial

import (
	"dockwall/agent/config"
)

// Reading is what a look at the files came to.
type Reading struct {
	// Doc is what is to be in force; nil if Diagnostics say why there is none.
	Doc         *config.Document
	Diagnostics config.Diagnostics
	// Files are what a change of which may lead to another reading.
	Files []string
	// Settled: Doc is what agent.hcl says, and on no trial.
	Settled bool
}

// Read reads what is to be in force now: the file on trial, the policy of
// before where agent.hcl was not confirmed, or agent.hcl.
func (k *Keeper) Read() Reading {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := textOf(k.o.File) // before it is read: a change in between is told again
	if p := k.r.Pending; p != nil {
		return k.readTrial(p)
	}
	doc, files, diags := k.o.Reader.LoadFiles(k.o.File)
	stale := k.o.Reader.Stale()
	if stale {
		text = k.past.text // what was read is not what is there now
	}
	if f := k.r.Refused; f != nil && (f.Text == text || stale) {
		former, err := decode(f.Former)
		if err == nil {
			k.past.current, k.past.text = former, text
			return Reading{Doc: former, Files: files}
		}
		k.o.Log.Error("the policy of before the trial cannot be read: agent.hcl is put in force", "error", err)
	}
	if k.r.Refused != nil {
		k.r.Refused = nil
		if err := k.persist(); err != nil {
			k.o.Log.Error("that agent.hcl changed could not be kept", "error", err)
		}
	}
	if doc != nil {
		k.past.note(doc, text, k.o.Clock.Up())
	}
	return Reading{Doc: doc, Diagnostics: diags, Files: files, Settled: doc != nil}
}

// readTrial reads the file on trial: an edit is part of the trial.
func (k *Keeper) readTrial(p *pending) Reading {
	doc, files, diags := k.o.Reader.LoadFiles(k.fileOf(p))
	if k.trying = doc; doc != nil {
		doc.Settings.Path = k.o.File
	}
	return Reading{Doc: doc, Diagnostics: diags, Files: files}
}
