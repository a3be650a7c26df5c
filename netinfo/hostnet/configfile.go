package hostnet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Limits for files whose path or contents another program chooses.
const (
	// maxConfigFile is far more than a daemon.json has.
	maxConfigFile = 1 << 20
	// maxCmdline is more than docker-proxy's or dockerd's arguments take.
	maxCmdline = 64 << 10
	// maxProcFile is for status, cgroup, and the first lines of mountinfo, where
	// the root is.
	maxProcFile = 64 << 10
	// configTime is how long a look at the sockets waits for such a file. It may
	// be on a file system that does not answer.
	configTime = 200 * time.Millisecond
)

var errTooLong = errors.New("the file is too long")

// readAtMost reads the beginning of a file below /proc.
func readAtMost(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// readRegular reads a regular file of at most limit bytes. Others are refused: a
// FIFO blocks its reader, and a device may have no end.
func readRegular(path string, limit int64) ([]byte, error) {
	// Without O_NONBLOCK, opening a FIFO waits for a writer; O_NOCTTY keeps a
	// terminal from becoming ours. A symbolic link is followed: NixOS has one.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(b)) > limit {
		err = &fs.PathError{Op: "read", Path: path, Err: errTooLong}
	}
	return b, err
}

// configFiles reads dockerd's configuration files within limits of size and
// time.
type configFiles struct {
	// pending are reads that have not ended in time: none is started beside one.
	pending map[string]chan configFile
	wait    time.Duration
	read    func(path string, limit int64) ([]byte, error)
}

type configFile struct {
	text []byte
	err  error
}

func newConfigFiles() *configFiles {
	return &configFiles{pending: map[string]chan configFile{}, wait: configTime, read: readRegular}
}

// get returns the contents of the file, or an error soon.
func (c *configFiles) get(path string) ([]byte, error) {
	wait := time.Duration(0) // the second look at a read that hangs waits no more
	done, ok := c.pending[path]
	if !ok {
		done, wait = make(chan configFile, 1), c.wait
		c.pending[path] = done
		go func() {
			text, err := c.read(path, maxConfigFile)
			done <- configFile{text, err}
		}()
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case f := <-done:
		delete(c.pending, path)
		return f.text, f.err
	case <-timeout.C:
		return nil, fmt.Errorf("reading %s: no answer within %v", path, c.wait)
	}
}
