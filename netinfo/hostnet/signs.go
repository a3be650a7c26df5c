package hostnet

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// signs are what /proc shows of a root process to a reader without ptrace
// rights. The process itself can choose none of them but its name.
type signs struct {
	name   string // empty: not root's, or it has ended
	parent int
	// ownPIDs: it is in a PID namespace inside ours.
	ownPIDs bool
	// caps are its effective capabilities.
	caps uint64
	// onHost is known when looked is set: see Scanner.onHost.
	onHost, looked bool
}

// managerCaps are the capabilities without which dockerd does not start. Only a
// container that was made to own the host has both.
const managerCaps = 1<<unix.CAP_SYS_ADMIN | 1<<unix.CAP_NET_ADMIN

// readSigns reads what /proc/PID/status says about a process of root.
func (s *Scanner) readSigns(pid int) signs {
	status, err := readAtMost(s.path(pid, "status"), maxProcFile)
	if err != nil {
		return signs{}
	}
	// A kernel that lacks a line lacks what the line is about.
	g := signs{caps: managerCaps}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Name":
			g.name = value
		case "PPid":
			g.parent, _ = strconv.Atoi(value) // 0, which is no process, for what is no number
		case "NSpid":
			// Its number in each PID namespace, from that of this /proc inwards.
			g.ownPIDs = len(strings.Fields(value)) > 1
		case "CapEff":
			g.caps, _ = strconv.ParseUint(value, 16, 64) // 0: none
		}
	}
	return g
}

// onHost reports whether the process is in this network namespace and in no
// container's PID namespace or cgroup.
func (s *Scanner) onHost(p *process) bool {
	if p.signs.name == "" || p.signs.ownPIDs {
		return false
	}
	if !p.signs.looked {
		p.signs.onHost = s.inSameNet(p.pid) && !s.inContainerCgroup(p.pid)
		p.signs.looked = true
	}
	return p.signs.onHost
}

// isHostsOwn reports whether the process shows no sign of a container at all.
// Its name alone made it a candidate.
func (s *Scanner) isHostsOwn(p *process) bool {
	return p.signs.caps&managerCaps == managerCaps && s.onHost(p) && s.onHostRoot(p)
}

// inContainerCgroup reports whether a cgroup of the process is called after a
// container's ID, as every engine and every Kubernetes runtime does it. The
// names above PID 1 do not count: this whole host may be a container.
func (s *Scanner) inContainerCgroup(pid int) bool { return s.containerOf(pid) != "" }

// containerOf returns the ID of the container in whose cgroup the process is; of
// containers in a container, the outermost. Empty: in none.
func (s *Scanner) containerOf(pid int) string {
	above := s.containerIDs(1)
	for _, id := range s.containerIDs(pid) {
		if !slices.Contains(above, id) {
			return id
		}
	}
	return ""
}

// containerIDs returns the container IDs in the names of the process's cgroups.
func (s *Scanner) containerIDs(pid int) []string {
	b, err := readAtMost(s.path(pid, "cgroup"), maxProcFile)
	if err != nil {
		return nil // a kernel without cgroups
	}
	const idLen = 64
	var ids []string
	for _, word := range strings.FieldsFunc(string(b), func(r rune) bool { return !strings.ContainsRune("0123456789abcdef", r) }) {
		if len(word) == idLen {
			ids = append(ids, word)
		}
	}
	return ids
}

// inSameNet reports whether the process is in our network namespace. Without
// ptrace rights its link may not be read: then the inode of a file that each
// namespace has of its own tells.
func (s *Scanner) inSameNet(pid int) bool {
	its, err := os.Readlink(s.path(pid, "ns/net"))
	own, ownErr := os.Readlink(filepath.Join(s.root, "thread-self/ns/net"))
	switch {
	case err == nil && ownErr == nil:
		return its == own
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH):
		return false
	}
	var a, b syscall.Stat_t
	if syscall.Stat(s.path(pid, "net/dev"), &a) != nil || syscall.Stat(filepath.Join(s.root, "thread-self/net/dev"), &b) != nil {
		return true // unknown; it is in our PID namespace
	}
	return a.Ino == b.Ino
}

// onHostRoot reports whether the process has the file system of PID 1 as its
// root. A container has its own, also one with --pid host.
func (s *Scanner) onHostRoot(p *process) bool {
	host := s.rootMount(1)
	return host == "" || s.rootMount(p.pid) == host
}

// rootMount returns the device and the directory that are mounted on the
// process's /; empty if they cannot be read.
func (s *Scanner) rootMount(pid int) string {
	b, err := readAtMost(s.path(pid, "mountinfo"), maxProcFile)
	if err != nil {
		return ""
	}
	top := ""
	for line := range strings.Lines(string(b)) {
		// 22 1 254:0 / / rw,relatime …: ID, parent, device, directory, mount point
		if f := strings.Fields(line); len(f) > 4 && f[4] == "/" {
			top = f[2] + " " + f[3]
		}
	}
	return top
}
