package create

import (
	"errors"
	"io/fs"
	"path/filepath"

	"dockwall/agent/cli/ask"
	"dockwall/agent/durable"
	"dockwall/netinfo"
)

// place writes the text to the operator's file, whole or not at all: it is
// written and read beside it, under another name, together with what agent.d
// says, and then takes its place.
func (a *app) place(text string, s netinfo.Snapshot, force bool) error {
	path := a.Config
	if force {
		// A link's target is what is replaced, and keeps its mode.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
	}
	draft, err := durable.Write(path, []byte(text), ask.ConfigMode)
	if err != nil {
		return err
	}
	if err := proveFile(draft.Name(), path, s); err != nil {
		return errors.Join(err, draft.Discard())
	}
	if force {
		return draft.Replace()
	}
	// Place fails if a file came into being since init looked.
	if err := draft.Place(); errors.Is(err, fs.ErrExist) {
		return taken(path)
	} else if err != nil {
		return err
	}
	return nil
}
