package lab

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// endTime is how long a process gets to follow a signal.
const endTime = 20 * time.Second

// process is something that runs in the lab in the background, started by way
// of nsenter or unshare, which stay as its parent outside.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser // nil where it has no input
	done chan struct{}  // closed when it has ended
}

// startProcess starts cmd; its output goes where cmd says.
func startProcess(cmd *exec.Cmd, withInput bool) (*process, error) {
	p := &process{cmd: cmd, done: make(chan struct{})}
	if withInput {
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		p.in = in
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// started are the processes of one lab. It may be used by several goroutines.
type started struct {
	mu  sync.Mutex
	all []*process
}

// start is startProcess for a process of the lab.
func (s *started) start(cmd *exec.Cmd, withInput bool) (*process, error) {
	p, err := startProcess(cmd, withInput)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all = append(s.all, p)
	}
	return p, err
}

// resume lets every nsenter end that had stopped with its child. It would not see that
// the child was killed with the host's pid 1.
func (s *started) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.all {
		_ = p.continueParent()
	}
}

// pid is that of the process itself, the only child of nsenter, as the machine
// numbers it; 0 when it has ended or not begun.
func (p *process) pid() int {
	path := fmt.Sprintf("/proc/%d/task/%d/children", p.cmd.Process.Pid, p.cmd.Process.Pid)
	children, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(children)), " ")
	pid, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return pid
}

// signal sends to the process and, where the signal ends it, waits for that.
func (p *process) signal(s syscall.Signal, wait bool) error {
	pid := p.pid()
	if pid == 0 {
		return errors.New("the process has ended already")
	}
	if err := syscall.Kill(pid, s); err != nil {
		return fmt.Errorf("sending %v: %w", s, err)
	}
	if s == syscall.SIGCONT || s == syscall.SIGKILL {
		// nsenter stops with its child, and does not go on with it: it would not even
		// see that a stopped child was killed.
		if err := p.continueParent(); err != nil {
			return err
		}
	}
	if !wait {
		return nil
	}
	for deadline := time.Now().Add(endTime); time.Now().Before(deadline); {
		select {
		case <-p.done:
			return nil
		case <-time.After(100 * time.Millisecond):
		}
		if s == syscall.SIGKILL {
			// It may have stopped only after it was continued.
			if err := p.continueParent(); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("still running %v after %v", endTime, s)
}

// continueParent continues nsenter.
func (p *process) continueParent() error {
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("continuing its parent: %w", err)
	}
	return nil
}

// end closes the input of a process that ends by that, and makes sure.
func (p *process) end() {
	_ = p.in.Close()
	select {
	case <-p.done:
	case <-time.After(endTime):
		_ = p.signal(syscall.SIGKILL, true)
	}
}

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// output is a buffer that a process writes while a test reads.
type output struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.data.String()
}

// mustRun runs a command that belongs to making the lab.
func (l *Lab) mustRun(cmd *exec.Cmd) string {
	l.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("running %s: %v\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

// until polls until the condition holds. It is for what has no event to wait
// for; the test fails with the reason of the last try.
func (l *Lab) until(limit time.Duration, what string, try func() error) {
	l.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			l.t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
