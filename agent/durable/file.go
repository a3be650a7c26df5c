package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Replace replaces the file with these contents. A new file gets this mode; a
// file that exists keeps its own. A symbolic link is replaced itself: callers that
// want its target replaced resolve it first.
func Replace(path string, contents []byte, mode fs.FileMode) error {
	return system().replace(path, contents, mode)
}

// ReplaceLike is Replace, and gives the file the mode and owner of another file,
// whose copy it is.
func ReplaceLike(path string, contents []byte, like string) error {
	draft, err := system().write(path, contents, like, 0o600)
	if err != nil {
		return err
	}
	return draft.Replace()
}

// Remove removes the file, if it exists, and does not return before its removal
// outlives a power cut.
func Remove(path string) error { return system().removeFile(path) }

// Move gives a file or a folder another name, which nothing has, and does not
// return before that outlives a power cut.
func Move(from, to string) error { return system().move(from, to) }

// disk is what the steps call; tests put failures and power cuts between them.
type disk struct {
	create     func(folder, pattern string) (*os.File, error)
	syncFile   func(*os.File) error
	rename     func(from, to string) error
	link       func(from, to string) error
	remove     func(path string) error
	syncFolder func(path string) error
}

func system() disk {
	return disk{create: os.CreateTemp, syncFile: (*os.File).Sync, rename: os.Rename, link: os.Link, remove: os.Remove, syncFolder: syncFolder}
}

func (d disk) replace(path string, contents []byte, mode fs.FileMode) error {
	draft, err := d.write(path, contents, path, mode)
	if err != nil {
		return err
	}
	return draft.Replace()
}

func (d disk) removeFile(path string) error {
	if err := d.remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	if err := d.syncFolder(filepath.Dir(path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing %s: %w", path, err)
	}
	return nil
}

func (d disk) move(from, to string) error {
	if err := d.rename(from, to); err != nil {
		return fmt.Errorf("moving %s: %w", from, err)
	}
	for _, folder := range []string{filepath.Dir(to), filepath.Dir(from)} {
		if err := d.syncFolder(folder); err != nil {
			return fmt.Errorf("moving %s: it is in place, but may not outlive a power cut: %w", from, err)
		}
	}
	return nil
}

// syncFolder writes the folder's names to the disk. A file system that cannot
// do that for a folder says EINVAL; it is then as durable as it can be.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
