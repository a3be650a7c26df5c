package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dockwall/netinfo"
)

// configMode is that of a new file; the package's is the same.
const configMode fs.FileMode = 0o640

// place writes the text to the operator's file, whole or not at all: it is
// written and read beside it, under another name, together with what agent.d
// says, and then takes its place.
func (a *app) place(text string, s netinfo.Snapshot, force bool) error {
	path := a.config
	mode := configMode
	if force {
		// A link's target is what is replaced, and keeps its mode.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		}
		if fi, err := os.Stat(path); err == nil {
			mode = fi.Mode().Perm()
		}
	}
	draft, err := writeDraft(path, text, mode)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	err = proveFile(draft, path, s)
	if err == nil {
		err = moveDraft(draft, path, force)
	}
	if removed := os.Remove(draft); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	if errors.Is(err, fs.ErrExist) {
		return taken(path)
	}
	return err
}

// writeDraft writes the text to the disk, to a hidden file beside path.
func writeDraft(path, text string, mode fs.FileMode) (draft string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".init-*")
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), err
}

// moveDraft gives the draft its name. A link, unlike a rename, replaces
// nothing that came meanwhile.
func moveDraft(draft, path string, force bool) error {
	if force {
		return os.Rename(draft, path)
	}
	return os.Link(draft, path)
}
