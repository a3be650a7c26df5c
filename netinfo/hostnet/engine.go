package hostnet

import (
	"errors"
	"net"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// engine is the process behind the engine's control socket.
type engine struct {
	socket string // empty: there is none on this host
	pid    int    // 0: not known
	inode  uint64 // of its directory: shows that the PID was reused
	// asked is when the engine was last asked for an answer.
	asked time.Time
}

const (
	// dialTime is the time that connecting to the socket may take, and answerTime
	// that of an answer, which is asked for at most every askEvery.
	dialTime   = 100 * time.Millisecond
	answerTime = 100 * time.Millisecond
	askEvery   = 2 * time.Second
)

// WithEngine names the engine by its host as in Docker's settings
// ("unix:///var/run/docker.sock"): the process that serves this socket counts as
// dockerd whatever its name and its root. An engine elsewhere (tcp://, ssh://)
// has no process here.
func (s *Scanner) WithEngine(host string) *Scanner {
	s.engine = engine{}
	if path, ok := strings.CutPrefix(host, "unix://"); ok {
		s.engine.socket = path
	}
	return s
}

// EngineElsewhere returns the PID of the process that serves the engine's control socket
// if that is an engine (dockerd, podman) and known to run in another network namespace than
// this process; 0 otherwise. A proxy in a container serves the socket of an engine that is
// here. It is as of the last look at the processes.
func (s *Scanner) EngineElsewhere() (pid int) {
	p := s.known[s.engine.pid]
	if p == nil || p.signs.name != "dockerd" && p.signs.name != "podman" || s.inSameNet(p.pid) {
		return 0
	}
	if now := s.look(p.pid); now == nil || now.inode != p.inode {
		return 0 // it ended while it was looked at
	}
	return p.pid
}

// refresh asks for the engine's process unless that is known and still runs.
func (e *engine) refresh(s *Scanner) {
	if p := s.known[e.pid]; p != nil && p.inode == e.inode {
		return
	}
	e.pid, e.inode = 0, 0
	if e.socket == "" {
		return
	}
	pid, err := e.peer(s.now())
	if p := s.known[pid]; err == nil && p != nil {
		e.pid, e.inode = pid, p.inode
	}
}

var errNoPeer = errors.New("the process behind the socket is not known")

// peer returns the PID of the process that serves the socket.
//
// SO_PEERCRED is the process that called listen(2), known as soon as a process
// listens. With socket activation (docker.socket) that is systemd: then the
// engine is pinged, and the credentials of the answer's sender are dockerd's
// (SO_PASSCRED, unix(7)). /run/docker.pid is not used: a file proves nothing.
func (e *engine) peer(now time.Time) (int, error) {
	c, err := net.DialTimeout("unix", e.socket, dialTime)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	conn := c.(*net.UnixConn) // what "unix" dials
	listener, err := listenerOf(conn)
	if err != nil || listener > 1 {
		return listener, err
	}
	if now.Sub(e.asked) < askEvery {
		return 0, errNoPeer
	}
	e.asked = now
	return senderOfAnswer(conn)
}

// listenerOf returns the process that listens at the other end.
func listenerOf(conn *net.UnixConn) (pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var cred *unix.Ucred
		if cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	return pid, errors.Join(err, controlErr)
}

// senderOfAnswer pings the engine and returns the process that answers.
func senderOfAnswer(conn *net.UnixConn) (pid int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	if err := errors.Join(err, controlErr); err != nil {
		return 0, err
	}
	if err := conn.SetDeadline(time.Now().Add(answerTime)); err != nil {
		return 0, err
	}
	if _, err := conn.Write([]byte("GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n")); err != nil {
		return 0, err
	}
	answer, control := make([]byte, 512), make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	_, n, _, _, err := conn.ReadMsgUnix(answer, control)
	if err != nil {
		return 0, err
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return 0, err
	}
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			return int(cred.Pid), nil
		}
	}
	return 0, errNoPeer
}
