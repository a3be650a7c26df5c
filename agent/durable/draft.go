package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Draft is the new contents of a file, on the disk beside it under a temporary
// name. It ends by Replace, Place or Discard.
type Draft struct {
	disk disk
	path string
	name string
}

// Write writes a draft of the file at path. Its mode and owner are those of the
// file; if there is none, it has this mode.
func Write(path string, contents []byte, mode fs.FileMode) (*Draft, error) {
	return system().write(path, contents, path, mode)
}

// write writes a draft with the mode and owner of the file like, if it exists.
func (d disk) write(path string, contents []byte, like string, mode fs.FileMode) (*Draft, error) {
	f, err := d.create(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return nil, fmt.Errorf("replacing %s: %w", path, err)
	}
	err = prepare(f, like, mode)
	if err == nil {
		_, err = f.Write(contents)
	}
	if err == nil {
		err = d.syncFile(f)
	}
	err = errors.Join(err, f.Close())
	if err != nil {
		return nil, fmt.Errorf("replacing %s: %w", path, errors.Join(err, d.remove(f.Name())))
	}
	return &Draft{disk: d, path: path, name: f.Name()}, nil
}

// prepare gives the temporary file its mode and owner before it has contents that
// others may not read.
func prepare(f *os.File, like string, mode fs.FileMode) error {
	old, err := os.Stat(like)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Chmod(mode)
	}
	if err != nil {
		return err
	}
	if of, ok := old.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := f.Chown(int(of.Uid), int(of.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(old.Mode().Perm())
}

// Name returns the path of the temporary file.
func (d *Draft) Name() string { return d.name }

// Replace gives the draft the file's name, in place of what had it. If only the
// last step fails, the new file is in place and may not outlive a power cut.
func (d *Draft) Replace() error {
	if err := d.disk.rename(d.name, d.path); err != nil {
		return fmt.Errorf("replacing %s: %w", d.path, errors.Join(err, d.Discard()))
	}
	return d.sync()
}

// Place gives the draft the file's name if nothing has it; else the error is
// fs.ErrExist.
func (d *Draft) Place() error {
	err := d.disk.link(d.name, d.path)
	err = errors.Join(err, d.Discard())
	if err != nil {
		return fmt.Errorf("writing %s: %w", d.path, err)
	}
	return d.sync()
}

// Discard removes the draft.
func (d *Draft) Discard() error { return d.disk.remove(d.name) }

func (d *Draft) sync() error {
	if err := d.disk.syncFolder(filepath.Dir(d.path)); err != nil {
		return fmt.Errorf("replacing %s: it is in place, but may not outlive a power cut: %w", d.path, err)
	}
	return nil
}
