package docker

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// errExited is what watching a process gives that is not there any more.
var errExited = errors.New("the process has ended")

// processes watches the first processes of containers by pidfd: the kernel
// tells of a death about a millisecond after it, dockerd some ten milliseconds
// later, when it may already have given the address away.
//
// One epoll instance, itself polled by Go's runtime, holds all of them: no
// thread and no goroutine per container.
type processes struct {
	poll *os.File

	mu   sync.Mutex
	next int32
	of   map[string]*watch // by container
	by   map[int32]*watch  // by what epoll gives back
}

type watch struct {
	process
	fd  int
	tag int32
}

func watchProcesses() (*processes, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("making an epoll instance: %w", err)
	}
	return &processes{
		poll: os.NewFile(uintptr(fd), "epoll"),
		of:   map[string]*watch{}, by: map[int32]*watch{},
	}, nil
}

// add watches a process instead of the one watched before for its container.
// errExited: it has ended already.
func (w *processes) add(p process) error {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return errExited
	}
	if err != nil {
		return fmt.Errorf("watching process %d: %w", p.pid, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(p.container)
	w.next++
	e := &watch{process: p, fd: fd, tag: w.next}
	w.of[p.container], w.by[e.tag] = e, e
	if err := w.register(e); err != nil {
		w.forget(e)
		return fmt.Errorf("watching process %d: %w", p.pid, err)
	}
	return nil
}

// remove stops watching the container's process.
func (w *processes) remove(container string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(container)
}

func (w *processes) drop(container string) {
	if e, ok := w.of[container]; ok {
		// Closing the descriptor takes it out of epoll too.
		w.forget(e)
	}
}

func (w *processes) forget(e *watch) {
	delete(w.of, e.container)
	delete(w.by, e.tag)
	unix.Close(e.fd)
}

func (w *processes) register(e *watch) error {
	conn, err := w.poll.SyscallConn()
	if err != nil {
		return err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: e.tag}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = unix.EpollCtl(int(fd), unix.EPOLL_CTL_ADD, e.fd, &ev) }); err != nil {
		return err
	}
	return failed
}

// run calls ended for every process that ends, until the watcher is closed.
func (w *processes) run(ended func(process)) {
	conn, err := w.poll.SyscallConn()
	if err != nil {
		return
	}
	for {
		var dead []process
		err := conn.Read(func(fd uintptr) bool {
			dead = w.collect(int(fd))
			return len(dead) > 0
		})
		if err != nil {
			return
		}
		for _, p := range dead {
			ended(p)
		}
	}
}

// collect takes the processes that have ended out of the watch.
func (w *processes) collect(poll int) []process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var dead []process
	var evs [64]unix.EpollEvent
	for {
		n, err := unix.EpollWait(poll, evs[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return dead
		}
		for _, ev := range evs[:n] {
			if e, ok := w.by[ev.Fd]; ok {
				dead = append(dead, e.process)
				w.forget(e)
			}
		}
	}
}

// close ends run, and every watch.
func (w *processes) close() {
	w.poll.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.of {
		w.forget(e)
	}
}
