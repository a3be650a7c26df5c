// Package textfile reads files that an operator names on the command line.
//
// It is for files of a sane size alone: what is no regular file, or is too large, is an
// error, at once.
//
// Invariants:
//
//  1. Reading never waits: not for the writer of a pipe, and not for a terminal.
//  2. At most limit bytes are kept.
//
// Thread safety: functions of values, except for the file that is read.
package textfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"
)

// Read reads a regular file of at most limit bytes. It does not wait for a writer
// of a pipe.
func Read(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > limit:
		return nil, fmt.Errorf("%s has %d bytes; more than %d are not read", path, info.Size(), limit)
	}
	// The size of a file in /proc is 0, and a file may grow.
	var b bytes.Buffer
	if n, err := io.Copy(&b, io.LimitReader(f, limit+1)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	} else if n > limit {
		return nil, fmt.Errorf("%s has more than %d bytes, which are not read", path, limit)
	}
	return b.Bytes(), nil
}
