package tls

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"dockwall/agent/durable"
)

// Modes of what is in the folder.
const (
	folderMode fs.FileMode = 0o700
	keyMode    fs.FileMode = 0o400
	certMode   fs.FileMode = 0o444
)

// draftPrefix begins the names of clients' folders that are being made.
const draftPrefix = ".new-"

// file is one file to be written.
type file struct {
	path string
	text []byte
	mode fs.FileMode
}

// write puts the file in place, whole and on the disk, or leaves what was there.
// Unless replace is set, a file that is there is an error (fs.ErrExist).
func (f file) write(replace bool) error {
	if replace {
		// A file that is replaced keeps its mode, which an administrator may have widened.
		if err := os.Chmod(f.path, f.mode); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return durable.Replace(f.path, f.text, f.mode)
	}
	if there, err := exists(f.path); err != nil || there {
		return errors.Join(err, fmt.Errorf("writing %s: %w", f.path, fs.ErrExist))
	}
	draft, err := durable.Write(f.path, f.text, f.mode)
	if err != nil {
		return err
	}
	return draft.Place()
}

// writeAll writes the files. If one cannot be written, all are again what they
// were before. undo does the same later.
func writeAll(files []file, replace bool) (undo func() error, err error) {
	var former []file // nil text: there was none
	undo = func() error {
		var err error
		for _, w := range former {
			if w.text == nil {
				err = errors.Join(err, durable.Remove(w.path))
				continue
			}
			err = errors.Join(err, w.write(true))
		}
		return err
	}
	for _, w := range files {
		was, err := read(w.path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, undo())
		}
		if err := w.write(replace); err != nil {
			return nil, errors.Join(err, undo())
		}
		former = append(former, file{w.path, was, w.mode})
	}
	return undo, nil
}

// makeFolder makes the folder and those above it, on the disk; one that is there
// stays as it is.
func makeFolder(path string) error {
	err := os.MkdirAll(path, folderMode)
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("making the folder %s: %w", path, err)
	}
	return nil
}

func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// exists reports whether there is something at the path, if only a link.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
