package dockerfile

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"

	"dockwall/netinfo/inventory"
)

// MaxSize is the most bytes that a Dockerfile may have. Real ones have some thousand.
const MaxSize = 1 << 20

// Read reads a Dockerfile. The error is that of the file; one that cannot be parsed has
// the reason in Unread.
func Read(path string) (inventory.Dockerfile, error) {
	text, err := ReadText(path, MaxSize)
	if err != nil {
		return inventory.Dockerfile{}, err
	}
	return Parse(path, text), nil
}

// ReadText reads a regular file of at most limit bytes. It does not wait for a writer
// of a pipe.
func ReadText(path string, limit int64) ([]byte, error) {
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
