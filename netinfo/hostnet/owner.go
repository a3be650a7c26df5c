package hostnet

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Owner is what is known of the process behind a socket.
type Owner int

// The owners. A docker-proxy's socket is the host's: Proxies names its port.
const (
	// OwnerUnknown: it may be dockerd's.
	OwnerUnknown Owner = iota
	// OwnerHost: it is none of dockerd's.
	OwnerHost
	// OwnerEngine: a dockerd holds it.
	OwnerEngine
)

// holdings are the sockets of the dockerd processes, as far as the kernel lets us
// see them.
type holdings struct {
	dockerds int
	// inodes are the sockets that a dockerd has open, and its PID; listed is the
	// number of dockerds whose open files could be read, which takes ptrace rights.
	inodes map[uint64]int
	listed int
	// cgroups are those of the dockerds; placed is the number of dockerds whose
	// cgroup is known.
	cgroups map[uint64]bool
	placed  int
}

// Owner returns whose a socket is that was among the listeners before Dockerd and
// Proxies were called, in this order, and still is: dockerd may hand a socket over
// to docker-proxy at any moment, and docker-proxy may end.
func (s *Scanner) Owner(o Socket) Owner {
	h := s.holdings
	switch {
	case h.inodes[o.Inode] != 0:
		return OwnerEngine
	case s.ending:
		return OwnerUnknown
	case h.dockerds == 0:
		return OwnerUnknown // one that is not recognised yet may hold it
	case h.listed == h.dockerds:
		return OwnerHost
	case h.placed == h.dockerds && o.Cgroup != 0 && !h.cgroups[o.Cgroup]:
		// A socket stays in the cgroup of the process that made it.
		return OwnerHost
	}
	return OwnerUnknown
}

// readHoldings reads what the dockerd processes hold.
func (s *Scanner) readHoldings() {
	h := holdings{inodes: map[uint64]int{}, cgroups: map[uint64]bool{}}
	for _, p := range s.of(dockerdRole) {
		h.dockerds++
		if inodes, ok := s.sockets(p.pid); ok {
			h.listed++
			for _, inode := range inodes {
				h.inodes[inode] = p.pid
			}
		}
		if id := s.cgroupID(p.pid); id != 0 {
			h.placed++
			h.cgroups[id] = true
		}
	}
	s.holdings = h
}

// sockets returns the inodes of the sockets among the process's open files, and
// whether these may be read.
func (s *Scanner) sockets(pid int) (inodes []uint64, ok bool) {
	dir := s.path(pid, "fd")
	fds, err := os.ReadDir(dir)
	if err != nil {
		return nil, false
	}
	read := 0
	for _, fd := range fds {
		target, err := os.Readlink(filepath.Join(dir, fd.Name()))
		if err != nil {
			continue // closed since, or not readable
		}
		read++
		number, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		if inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 64); err == nil {
			inodes = append(inodes, inode)
		}
	}
	return inodes, read > 0
}

// cgroupRoots are where the hierarchy of cgroup v2 is mounted: alone, or beside v1.
var cgroupRoots = [...]string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// cgroupID returns the ID of the process's cgroup in version 2, which is the
// inode of its directory; 0 if it is not known, or is the root, where processes
// are only on a host that does not use cgroup v2.
func (s *Scanner) cgroupID(pid int) uint64 {
	b, err := readAtMost(s.path(pid, "cgroup"), maxProcFile)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::/")
		if !ok || path == "" || strings.HasPrefix(path, "..") {
			continue
		}
		for _, root := range cgroupRoots {
			var st syscall.Stat_t
			var fs syscall.Statfs_t
			dir := filepath.Join(root, path)
			if syscall.Statfs(dir, &fs) == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC && syscall.Stat(dir, &st) == nil {
				return st.Ino
			}
		}
	}
	return 0
}

// Home is where the process behind a socket runs.
type Home int

// The homes.
const (
	HomeUnknown Home = iota
	HomeHost
	HomeContainer
)

// Residence is where the process behind a socket runs.
type Residence struct {
	Home Home
	// Container is the ID of the container, if its cgroup says it.
	Container string
}

// Homes returns where the processes behind the sockets run, by inode. A socket of
// several processes is a container's if one of them is. It looks through the open
// files of every process, or, where these may not be read, through the cgroups:
// only for sockets that are new. An engine's processes have none: what their
// sockets are for is not known.
func (s *Scanner) Homes(sockets []Socket) map[uint64]Residence {
	byInode, byCgroup := map[uint64]Residence{}, map[uint64]Residence{}
	for _, o := range sockets {
		byInode[o.Inode] = Residence{}
	}
	for _, p := range s.known {
		if p.signs.name == "dockerd" || p.signs.name == "docker-proxy" || p.role != stranger {
			continue
		}
		home := Residence{HomeHost, s.containerOf(p.pid)}
		if p.signs.ownPIDs || home.Container != "" {
			home.Home = HomeContainer
		}
		if id := s.cgroupID(p.pid); id != 0 {
			byCgroup[id] = byCgroup[id].or(home)
		}
		inodes, _ := s.sockets(p.pid)
		for _, inode := range inodes {
			if at, wanted := byInode[inode]; wanted {
				byInode[inode] = at.or(home)
			}
		}
	}
	for _, o := range sockets {
		switch {
		case o.Inode == 0:
			byInode[0] = Residence{Home: HomeHost} // the kernel's own, such as WireGuard's
		case byInode[o.Inode].Home == HomeUnknown && o.Cgroup != 0:
			byInode[o.Inode] = byCgroup[o.Cgroup]
		}
	}
	return byInode
}

// or is the residence of a socket that two processes hold.
func (r Residence) or(o Residence) Residence {
	if o.Home > r.Home || o.Home == r.Home && r.Container == "" {
		return o
	}
	return r
}
