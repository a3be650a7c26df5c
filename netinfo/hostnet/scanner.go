package hostnet

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A process execs after it forked, so what it is may change under its PID:
// until settleAfter it is read at every scan, later only every rereadAfter.
const (
	settleAfter = 10 * time.Second
	rereadAfter = time.Minute
)

// Scanner finds docker-proxy and dockerd processes. It keeps what it read of
// each process, so that a scan costs one lstat(2) per process that it knows;
// another process under a known PID is told by the inode and time of its
// directory.
//
// It believes only processes of root, since anybody may call a process
// docker-proxy and give it arguments.
type Scanner struct {
	root       string
	configFile string // dockerd's, where its arguments name none
	now        func() time.Time
	known      map[int]*process
}

// process is what is kept of one.
type process struct {
	pid       int
	inode     uint64
	ctime     syscall.Timespec
	firstSeen time.Time
	lastRead  time.Time
	role      role
	args      []string
	alive     bool // seen by the refresh that is going on
}

// role is what a process is to the agent.
type role int

const (
	stranger role = iota
	proxyRole
	dockerdRole
)

// NewScanner scans the processes below root, which is /proc but in tests.
func NewScanner(root string) *Scanner {
	return &Scanner{root: root, configFile: "/etc/docker/daemon.json", now: time.Now, known: map[int]*process{}}
}

// refresh brings what is known of the processes up to date.
func (s *Scanner) refresh() error {
	pids, err := s.pids()
	if err != nil {
		return fmt.Errorf("listing processes: %w", err)
	}
	for _, p := range s.known {
		p.alive = false
	}
	namespace := s.ownNamespace()
	for _, pid := range pids {
		if p := s.look(pid, namespace); p != nil {
			p.alive = true
		}
	}
	maps.DeleteFunc(s.known, func(_ int, p *process) bool { return !p.alive })
	return nil
}

// of gives the processes of the role in the order of their PIDs.
func (s *Scanner) of(want role) []*process {
	var found []*process
	for _, p := range s.known {
		if p.role == want {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b *process) int { return cmp.Compare(a.pid, b.pid) })
	return found
}

// pids lists the numeric directories.
func (s *Scanner) pids() ([]int, error) {
	dir, err := os.Open(s.root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// look gives what is known of the process, reading it where that is nothing or
// old; nil if there is no such process any more.
func (s *Scanner) look(pid int, namespace string) *process {
	var st syscall.Stat_t
	if err := syscall.Lstat(s.path(pid), &st); err != nil {
		return nil
	}
	now := s.now()
	p := s.known[pid]
	if p == nil || p.inode != st.Ino || p.ctime != st.Ctim {
		p = &process{pid: pid, inode: st.Ino, ctime: st.Ctim, firstSeen: now}
		s.known[pid] = p
	}
	if !p.lastRead.IsZero() && now.Sub(p.firstSeen) >= settleAfter && now.Sub(p.lastRead) < rereadAfter {
		return p
	}
	// The directory of a process belongs to its effective user, whatever the
	// process does to its dumpable flag (proc_pid(5)).
	p.lastRead, p.role, p.args = now, stranger, nil
	if st.Uid == 0 {
		s.read(p, namespace)
	}
	return p
}

// read fills in role and args. A process that ends meanwhile is a stranger.
func (s *Scanner) read(p *process, namespace string) {
	comm, err := os.ReadFile(s.path(p.pid, "comm"))
	if err != nil {
		return
	}
	isDockerd := string(bytes.TrimSpace(comm)) == "dockerd"
	// docker-proxy may be another program (--userland-proxy-path): it is known
	// by what it is asked to do.
	args := s.cmdline(p.pid)
	isProxy := proxyArguments(args)
	if !isDockerd && !isProxy || !s.isOurs(p.pid, namespace) {
		return
	}
	p.args, p.role = args, proxyRole
	if !isProxy {
		p.role = dockerdRole
	}
}

// cmdline gives the arguments, without the program; nil if there are none.
func (s *Scanner) cmdline(pid int) []string {
	b, err := os.ReadFile(s.path(pid, "cmdline"))
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")[1:]
}

// isOurs tells that the process is in our network namespace. Where the kernel
// does not let us see (a hardened unit has no ptrace rights), a process of our
// own PID namespace is believed: one inside a container could be anything.
func (s *Scanner) isOurs(pid int, namespace string) bool {
	its, err := os.Readlink(s.path(pid, "ns/net"))
	switch {
	case err == nil && namespace != "":
		return its == namespace
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH):
		return false
	}
	return s.inOwnPIDNamespace(pid)
}

// inOwnPIDNamespace reads NSpid of /proc/PID/status: the process's number in
// each PID namespace from that of this /proc inwards.
func (s *Scanner) inOwnPIDNamespace(pid int) bool {
	status, err := os.ReadFile(s.path(pid, "status"))
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(status)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			return len(strings.Fields(numbers)) == 1
		}
	}
	return true // a kernel without PID namespaces
}

// ownNamespace is this thread's network namespace, as a link's text.
func (s *Scanner) ownNamespace() string {
	ns, err := os.Readlink(filepath.Join(s.root, "thread-self/ns/net"))
	if err != nil {
		return ""
	}
	return ns
}

func (s *Scanner) path(pid int, name ...string) string {
	return filepath.Join(append([]string{s.root, strconv.Itoa(pid)}, name...)...)
}
