package hostfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxFile is more than the longest file that is read, mountinfo of a host with
// thousands of containers.
const maxFile = 16 << 20

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// Reader reads the files of the host below a root.
type Reader struct {
	// Root is where the host's root is, "/" for this one.
	Root string
}

// at is where a file of the host is for this program.
func (r Reader) at(name string) string { return filepath.Join(r.Root, name) }

// read returns the contents of a regular file. Of files of /proc and /sys the size is
// not known beforehand.
func (r Reader) read(name string) ([]byte, error) {
	real, err := r.Resolve(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(r.at(real), os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, shorter(name, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, shorter(name, err)
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = errors.New("the file is too long")
	}
	if err != nil {
		return nil, shorter(name, err)
	}
	return b, nil
}

// text is the contents of a short file without blanks at its ends.
func (r Reader) text(name string) (string, error) {
	b, err := r.read(name)
	return strings.TrimSpace(string(b)), err
}

// names are the names in a folder.
func (r Reader) names(name string) ([]string, error) {
	entries, err := os.ReadDir(r.at(name))
	if err != nil {
		return nil, shorter(name, err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all, nil
}

// shorter is the error with the host's path, and without the root and the call.
func shorter(name string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// Resolve returns a path of the host with its symbolic links resolved inside the root.
// Parts that are not there stay as they are.
func (r Reader) Resolve(name string) (string, error) {
	rest := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	done, links := "/", 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		target, err := os.Readlink(r.at(next))
		if err != nil {
			done = next // no link, or not there
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: %w", name, unix.ELOOP)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return done, nil
}
