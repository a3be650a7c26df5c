package tls

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Modes of what is in the folder.
const (
	folderMode fs.FileMode = 0o700
	keyMode    fs.FileMode = 0o400
	certMode   fs.FileMode = 0o444
)

// temporary begins the names of what is being written.
const temporary = ".new-"

// file is one file to be written.
type file struct {
	path string
	text []byte
	mode fs.FileMode
}

// write puts the file in place, whole and on the disk, or leaves what was there.
// Unless replace is set, a file that is there is an error (fs.ErrExist).
func (f file) write(replace bool) error {
	if err := f.put(replace); err != nil {
		return fmt.Errorf("writing %s: %w", f.path, cause(err))
	}
	return nil
}

func (f file) put(replace bool) error {
	tmp, err := os.CreateTemp(filepath.Dir(f.path), temporary+filepath.Base(f.path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // it is gone after a rename
	_, err = tmp.Write(f.text)
	if err == nil {
		err = errors.Join(tmp.Chmod(f.mode), tmp.Sync())
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	if replace {
		err = os.Rename(tmp.Name(), f.path)
	} else {
		err = os.Link(tmp.Name(), f.path) // a link, unlike a rename, replaces nothing
	}
	if err != nil {
		return err
	}
	return syncFolder(filepath.Dir(f.path))
}

// cause leaves the temporary file's name out of an error: the operator knows the
// file by its own.
func cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path) && strings.Contains(path.Path, temporary):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

// writeAll writes the files. If one cannot be written, all are again what they
// were before. undo does the same later.
func writeAll(files []file, replace bool) (undo func() error, err error) {
	var former []file // nil text: there was none
	undo = func() error {
		var err error
		for _, w := range former {
			if w.text == nil {
				err = errors.Join(err, remove(w.path))
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

// remove removes the file, if it is there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// makeFolder makes the folder and those above it, on the disk; one that is there
// stays as it is.
func makeFolder(path string) error {
	err := os.MkdirAll(path, folderMode)
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("making the folder %s: %w", path, cause(err))
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
