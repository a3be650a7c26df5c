package hostnet

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"dockwall/netinfo/hostnet/unitfile"
)

// A process execs after it forked, so what it is may change under its PID:
// until settleAfter it is read at every scan, later only every rereadAfter.
const (
	settleAfter = 10 * time.Second
	rereadAfter = time.Minute
)

// Scanner finds the dockerd and docker-proxy processes that this host's engines
// started. It keeps what it read of each process, so that a scan costs one
// lstat(2) per process that it knows; the inode and time of its directory show
// whether another process has taken a known PID.
//
// A name and arguments prove nothing: every program may choose them, one in a
// container on the host's network too. So a process counts as dockerd only if
// it is the peer of the engine's control socket, or is called dockerd and shows
// no sign of a container (see signs); and as docker-proxy only if a dockerd
// started it. All of this can be read without ptrace rights, which a hardened
// unit lacks.
type Scanner struct {
	root       string
	configFile string // dockerd's, where its arguments name none
	files      *configFiles
	// dns is what the dockerds' settings name as name servers.
	dns      []string
	units    socketUnits
	engine   engine
	now      func() time.Time
	known    map[int]*process
	holdings holdings
	// ending: a child of dockerd's was first seen when it ended, and may have been a
	// docker-proxy.
	ending bool
}

// process is what the scanner keeps of one process.
type process struct {
	pid       int
	inode     uint64
	ctime     syscall.Timespec
	firstSeen time.Time
	lastRead  time.Time
	signs     signs
	role      role
	args      []string
	argsRead  bool // since lastRead
	alive     bool // seen by the current refresh
}

// role is what a process is to the agent.
type role int

const (
	stranger role = iota
	proxyRole
	dockerdRole
)

// maxProxyDepth is how many processes may stand between dockerd and a
// docker-proxy: the program of --userland-proxy-path may start another one.
const maxProxyDepth = 3

// NewScanner scans the processes below root, which is /proc except in tests.
func NewScanner(root string) *Scanner {
	return &Scanner{root: root, configFile: "/etc/docker/daemon.json", files: newConfigFiles(),
		units: socketUnits{dirs: unitfile.Folders()}, now: time.Now, known: map[int]*process{}}
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
	for _, pid := range pids {
		if p := s.look(pid); p != nil {
			p.alive = true
		}
	}
	maps.DeleteFunc(s.known, func(_ int, p *process) bool { return !p.alive })
	s.engine.refresh(s)
	for _, p := range s.known {
		s.findDockerd(p)
	}
	// After all of dockerd: a child counts through its parent.
	s.ending = false
	for _, p := range s.known {
		s.findProxy(p)
	}
	return nil
}

// findDockerd gives the process its role if it is a dockerd, and takes the role
// away if it is none any more.
func (s *Scanner) findDockerd(p *process) {
	is := p.pid == s.engine.pid && s.onHost(p) || p.signs.name == "dockerd" && s.isHostsOwn(p)
	switch {
	case is:
		p.role = dockerdRole
		s.readArgs(p)
	case p.role == dockerdRole:
		p.role = stranger
	}
}

// findProxy gives the process its role if it is a docker-proxy that a dockerd
// started, and takes the role away if it is none any more.
func (s *Scanner) findProxy(p *process) {
	is := false
	if p.pid != s.engine.pid && s.startedByDockerd(p, maxProxyDepth) {
		s.readArgs(p)
		is = proxyArguments(p.args)
		s.ending = s.ending || p.args == nil
	}
	switch {
	case is:
		p.role = proxyRole
	case p.role == proxyRole:
		p.role = stranger
	}
}

// startedByDockerd reports whether the process may be a docker-proxy by its
// ancestors. One that was a docker-proxy at an earlier scan stays one if dockerd
// dies before it.
func (s *Scanner) startedByDockerd(p *process, depth int) bool {
	if p.role == proxyRole {
		return s.onHost(p)
	}
	parent := s.known[p.signs.parent]
	if parent == nil || parent == p || depth == 0 {
		return false
	}
	if parent.role == dockerdRole {
		return s.onHost(p)
	}
	if !s.startedByDockerd(parent, depth-1) {
		return false
	}
	s.readArgs(parent)
	return proxyArguments(parent.args) && s.onHost(p)
}

// of returns the processes of the role in the order of their PIDs.
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

// look returns what is known of the process, and reads it if that is nothing or
// old; nil if the process has ended.
func (s *Scanner) look(pid int) *process {
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
	p.lastRead, p.argsRead = now, false
	p.signs = signs{}
	// The directory of a process belongs to its effective user, whatever the
	// process does to its dumpable flag (proc_pid(5)).
	if st.Uid == 0 {
		p.signs = s.readSigns(pid)
	}
	return p
}

// readArgs reads the arguments unless they are known. The kernel takes them from
// the memory of the process, which may be on a file system that does not answer:
// they are read only of processes that the engine vouches for.
func (s *Scanner) readArgs(p *process) {
	if p.argsRead {
		return
	}
	p.argsRead = true
	// A process that ends loses its arguments before its sockets.
	if args := s.cmdline(p.pid); args != nil {
		p.args = args
	}
}

// cmdline returns the arguments, without the program; nil if there are none.
func (s *Scanner) cmdline(pid int) []string {
	b, err := readAtMost(s.path(pid, "cmdline"), maxCmdline)
	if err != nil || len(b) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")[1:]
}

func (s *Scanner) path(pid int, name ...string) string {
	return filepath.Join(append([]string{s.root, strconv.Itoa(pid)}, name...)...)
}
