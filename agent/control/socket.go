package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// socketMode lets in root and its group only.
const socketMode = 0o660

// lingering is how long the lock and the socket of an agent that was killed may
// stay: a command that it was just starting has both until its execve(2), and
// is not killed along.
const lingering = time.Second

// Socket is the control socket, bound, with the lock that makes it ours.
type Socket struct {
	path     string
	listener *net.UnixListener
	lock     *os.File
}

// InUse is the error of Bind where another agent runs.
type InUse struct {
	Path string
	// PID is the other agent's process, 0 where it is not known.
	PID int
}

// Error names the socket and, where it is known, the process.
func (e *InUse) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("another program has the control socket: it answers on %s (ss -xlp names it); end it, or name another path as control.socket", e.Path)
	}
	return fmt.Sprintf("another agentd is running: process %d holds %s; stop that one first (systemctl stop dockwall, or kill %d)", e.PID, lockPath(e.Path), e.PID)
}

func lockPath(socket string) string { return socket + ".lock" }

// Bind makes the folder where it is missing, takes the lock, puts away a socket
// that an agent which is gone has left, and begins to listen. The error is an
// *InUse where another agent is there, and still is there a second later.
func Bind(path string) (*Socket, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("making the control socket's folder: %w", err)
	}
	for deadline := time.Now().Add(lingering); ; time.Sleep(lingering / 20) {
		s, err := take(path)
		var used *InUse
		if !errors.As(err, &used) || time.Now().After(deadline) {
			return s, err
		}
	}
}

func take(path string) (*Socket, error) {
	lock, err := takeLock(path)
	if err != nil {
		return nil, err
	}
	listener, err := bind(path)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &Socket{path: path, listener: listener, lock: lock}, nil
}

// Path is where the socket is.
func (s *Socket) Path() string { return s.path }

// Close stops listening, removes the socket and gives the lock back.
func (s *Socket) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // the server has closed it
	}
	if rerr := os.Remove(s.path); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return errors.Join(err, s.lock.Close())
}

// takeLock locks the file beside the socket. The kernel gives the lock back
// when the process ends, however it ends.
func takeLock(socket string) (*os.File, error) {
	f, err := os.OpenFile(lockPath(socket), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the agent's lock: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &InUse{Path: socket, PID: readPID(f)}
		}
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	// The number is for people only; the lock itself decides.
	if err := f.Truncate(0); err == nil {
		_, _ = fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return f, nil
}

func readPID(f *os.File) int {
	var pid int
	if _, err := fmt.Fscan(f, &pid); err != nil {
		return 0
	}
	return pid
}

func bind(path string) (*net.UnixListener, error) {
	if err := clearStale(path); err != nil {
		return nil, err
	}
	// bind(2) gives the file the mode that the unbound socket has: so it is
	// narrow from its first moment on.
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		cerr := c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), socketMode) })
		return errors.Join(cerr, err)
	}}
	l, err := lc.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	ul := l.(*net.UnixListener)
	// Close does it, so that it is not done twice to a successor's socket.
	ul.SetUnlinkOnClose(false)
	if err := os.Chmod(path, socketMode); err != nil { // a umask may have made it narrower
		l.Close()
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	return ul, nil
}

// clearStale removes the socket of an agent that is gone.
func clearStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking at the control socket: %w", err)
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("the control socket cannot be made: %s exists and is %s; move that away, or name another path as control.socket", path, kindOf(fi))
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return &InUse{Path: path}
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return fmt.Errorf("looking at the control socket: %w", err)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("removing a control socket that no process answers on: %w", err)
	}
	return nil
}

func kindOf(fi fs.FileInfo) string {
	switch {
	case fi.Mode().IsRegular():
		return "a file"
	case fi.IsDir():
		return "a folder"
	case fi.Mode().Type() == fs.ModeSymlink:
		return "a symbolic link"
	}
	return "no socket (" + strings.TrimSpace(fi.Mode().String()) + ")"
}
