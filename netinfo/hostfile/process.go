package hostfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"dockwall/netinfo/inventory"
)

// maxMembers is how many processes of one container are looked at.
const maxMembers = 512

// Processes reads what the kernel says of containers' processes.
type Processes struct {
	Reader
	// shared are the peer groups of the host's mounts; err is why they are not known.
	shared map[string]bool
	err    error
}

// Processes makes a reader of processes.
func (r Reader) Processes() *Processes {
	p := &Processes{Reader: r, shared: map[string]bool{}}
	lines, err := r.mountinfo(1)
	for _, l := range lines {
		p.shared[l.shared] = true
	}
	delete(p.shared, "")
	p.err = err
	return p
}

// Complete adds to a container what its process and its mounts' sources show.
func (p *Processes) Complete(c *inventory.Container) {
	for i := range c.Mounts {
		m := &c.Mounts[i]
		if m.Source == "" {
			continue
		}
		m.Real, _ = p.Resolve(m.Source) // a loop of links leads nowhere
		st, err := os.Lstat(p.at(m.Real))
		m.Socket = err == nil && st.Mode()&fs.ModeSocket != 0
	}
	if !c.Running() {
		return
	}
	if err := p.belongs(c); err != nil {
		c.Process = unread(err)
		return
	}
	c.Process = p.process(c.PID)
}

// belongs is the error where the process is not the container's: the engine may run on
// another host or in another PID namespace, and PIDs are reused. runc names a
// container's cgroup by its ID.
func (p *Processes) belongs(c *inventory.Container) error {
	name := fmt.Sprintf("/proc/%d/cgroup", c.PID)
	b, err := p.read(name)
	if err == nil && (c.ID == "" || !strings.Contains(string(b), c.ID)) {
		err = fmt.Errorf("%s does not name the container: the engine runs on another host, or the process has ended", name)
	}
	return err
}

// unread is a process of which nothing could be read.
func unread(err error) inventory.Process {
	why := err.Error()
	return inventory.Process{
		Status: inventory.Unread[inventory.Status](why), Label: inventory.Unread[string](why), HostRoot: inventory.Unread[bool](why),
		Limits: inventory.Unread[map[string]int64](why), PidsMax: inventory.Unread[int64](why), MemoryMax: inventory.Unread[int64](why),
		Namespaces: inventory.Unread[map[string]string](why), ReadonlyRoot: inventory.Unread[bool](why), SharedMounts: inventory.Unread[[]string](why),
		Members: inventory.Unread[[]inventory.Member](why), Listening: inventory.Unread[[]uint16](why), PacketSockets: inventory.Unread[int](why),
		Promiscuous: inventory.Unread[[]string](why),
	}
}

func (p *Processes) process(pid int) inventory.Process {
	of := func(name string) string { return fmt.Sprintf("/proc/%d/%s", pid, name) }
	found := inventory.Process{
		Status:        inventory.Of(p.status(pid)),
		Label:         inventory.Of(p.text(of("attr/current"))),
		HostRoot:      inventory.Of(p.hostRoot(of("uid_map"))),
		Limits:        inventory.Of(p.limits(of("limits"))),
		PidsMax:       inventory.Of(p.limit(pid, "pids", "pids.max", "pids.max")),
		MemoryMax:     inventory.Of(p.limit(pid, "memory", "memory.limit_in_bytes", "memory.max")),
		Namespaces:    inventory.Of(p.namespaces(pid)),
		Members:       inventory.Of(p.members(pid)),
		Listening:     inventory.Of(p.listening(pid)),
		PacketSockets: inventory.Of(p.packetSockets(pid)),
	}
	lines, err := p.mountinfo(pid)
	found.ReadonlyRoot = inventory.Of(readonlyRoot(lines), err)
	found.SharedMounts = inventory.Of(p.sharedMounts(lines), errors.Join(err, p.err))
	return found
}

func (r Reader) status(pid int) (inventory.Status, error) {
	name := fmt.Sprintf("/proc/%d/status", pid)
	b, err := r.read(name)
	if err != nil {
		return inventory.Status{}, err
	}
	lines := map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		lines[key] = strings.TrimSpace(value)
	}
	var s inventory.Status
	caps, err1 := strconv.ParseUint(lines["CapBnd"], 16, 64)
	seccomp, err2 := strconv.Atoi(lines["Seccomp"])
	nnp, err3 := strconv.Atoi(lines["NoNewPrivs"])
	var uid uint64
	err4 := errors.New("no Uid")
	if f := strings.Fields(lines["Uid"]); len(f) == 4 {
		uid, err4 = strconv.ParseUint(f[1], 10, 32)
	}
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return s, fmt.Errorf("%s: CapBnd, Seccomp, NoNewPrivs or Uid cannot be read: the process has ended, or this kernel does not tell", name)
	}
	return inventory.Status{CapBnd: caps, Seccomp: seccomp, NoNewPrivs: nnp == 1, UID: uint32(uid)}, nil
}

// hostRoot reports whether user 0 inside is user 0 of the host.
func (r Reader) hostRoot(name string) (bool, error) {
	b, err := r.read(name)
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "0" {
			return f[1] == "0", nil
		}
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return false, fmt.Errorf("%s is empty", name)
	}
	return false, nil // no user 0 inside
}

// limits are the hard limits. The names have blanks; two or more end a column.
func (r Reader) limits(name string) (map[string]int64, error) {
	b, err := r.read(name)
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	for line := range strings.Lines(string(b)) {
		title, rest, ok := strings.Cut(line, "  ")
		f := strings.Fields(rest)
		if !ok || len(f) < 2 || title == "Limit" {
			continue
		}
		if f[1] == "unlimited" {
			found[title] = -1
		} else if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			found[title] = n
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s is empty: the process has ended", name)
	}
	return found, nil
}

// cgroup is the folder of the process's cgroup, of the controller in version 1 or of
// all in version 2.
func (r Reader) cgroup(pid int, controller string) (dir string, v2 bool, err error) {
	name := fmt.Sprintf("/proc/%d/cgroup", pid)
	b, err := r.read(name)
	if err != nil {
		return "", false, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if slices.Contains(strings.Split(f[1], ","), controller) {
			return path.Join("/sys/fs/cgroup", controller, f[2]), false, nil
		}
		if f[0] == "0" {
			dir, v2 = path.Join("/sys/fs/cgroup", f[2]), true
		}
	}
	if !v2 {
		return "", false, fmt.Errorf("%s does not name a cgroup of %s", name, controller)
	}
	return dir, true, nil
}

// noLimit is at least what version 1 says where there is no limit of memory: the
// largest number of whole pages.
const noLimit = 1 << 62

// limit reads a limit of the process's cgroup; -1 is none.
func (r Reader) limit(pid int, controller, file1, file2 string) (int64, error) {
	dir, v2, err := r.cgroup(pid, controller)
	if err != nil {
		return 0, err
	}
	name := path.Join(dir, file1)
	if v2 {
		name = path.Join(dir, file2)
	}
	s, err := r.text(name)
	if err != nil {
		return 0, err
	}
	if s == "max" {
		return -1, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is %q", name, s)
	}
	if n >= noLimit {
		return -1, nil
	}
	return n, nil
}

func (r Reader) namespaces(pid int) (map[string]string, error) {
	found := map[string]string{}
	for _, kind := range []string{"net", "pid", "ipc", "uts", "user", "mnt", "cgroup"} {
		name := fmt.Sprintf("/proc/%d/ns/%s", pid, kind)
		target, err := os.Readlink(r.at(name))
		if errors.Is(err, fs.ErrNotExist) && len(found) > 0 {
			continue // kernels before 4.6 have no cgroup namespaces
		}
		if err != nil {
			return nil, shorter(name, err)
		}
		found[kind] = target
	}
	return found, nil
}

func readonlyRoot(lines []mountLine) bool {
	readonly := false
	for _, l := range lines {
		if l.point == "/" {
			readonly = l.readonly
		}
	}
	return readonly
}

func (p *Processes) sharedMounts(lines []mountLine) []string {
	var points []string
	for _, l := range lines {
		if p.shared[l.shared] {
			points = append(points, l.point)
		}
	}
	return points
}

// members are the processes of the container's cgroup. One that ends while it is
// looked at is left out.
func (r Reader) members(pid int) ([]inventory.Member, error) {
	dir, _, err := r.cgroup(pid, "pids")
	if err != nil {
		return nil, err
	}
	s, err := r.text(path.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	pids := strings.Fields(s)
	if len(pids) > maxMembers {
		return nil, fmt.Errorf("it has %d processes; at most %d are looked at", len(pids), maxMembers)
	}
	var all []inventory.Member
	for _, p := range pids {
		n, err := strconv.Atoi(p)
		if err != nil || n == 0 { // 0: a process of another PID namespace
			continue
		}
		st, err := r.status(n)
		if err != nil {
			continue
		}
		m := inventory.Member{PID: n, CapBnd: st.CapBnd, Leader: r.leader(n)}
		m.Exe, _ = os.Readlink(r.at(fmt.Sprintf("/proc/%d/exe", n)))
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s names no process that can be read", path.Join(dir, "cgroup.procs"))
	}
	return all, nil
}

// leader reports whether the process leads a session.
func (r Reader) leader(pid int) bool {
	s, err := r.text(fmt.Sprintf("/proc/%d/stat", pid))
	// The program's name, in brackets, may hold anything; then come the state, the
	// parent, the group and the session.
	f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:])
	return err == nil && len(f) > 3 && f[3] == strconv.Itoa(pid)
}

// listening are the TCP ports on which a process of the network namespace listens.
func (r Reader) listening(pid int) ([]uint16, error) {
	var ports []uint16
	for _, family := range []string{"tcp", "tcp6"} {
		b, err := r.read(fmt.Sprintf("/proc/%d/net/%s", pid, family))
		if errors.Is(err, fs.ErrNotExist) && family == "tcp6" {
			continue
		}
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 4 || f[3] != "0A" { // LISTEN
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if port, err := strconv.ParseUint(hex, 16, 16); err == nil {
				ports = append(ports, uint16(port))
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports), nil
}

// packetSockets counts the packet sockets in the network namespace of the process that
// a process of its cgroup holds. dockerd 28 and later hold one there as well for the
// first seconds, to announce the container's addresses.
func (r Reader) packetSockets(pid int) (int, error) {
	b, err := r.read(fmt.Sprintf("/proc/%d/net/packet", pid))
	if err != nil {
		return 0, err
	}
	inodes := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 0 && f[0] != "sk" {
			inodes["socket:["+f[len(f)-1]+"]"] = true
		}
	}
	if len(inodes) == 0 {
		return 0, nil
	}
	members, err := r.members(pid)
	if err != nil {
		return 0, err
	}
	held := map[string]bool{}
	for _, m := range members {
		err := r.sockets(m.PID, func(socket string) {
			if inodes[socket] {
				held[socket] = true
			}
		})
		if err != nil {
			return 0, err
		}
	}
	return len(held), nil
}

// sockets calls f with each open file of the process, as socket:[4711]. A process that
// has ended holds none.
func (r Reader) sockets(pid int, f func(target string)) error {
	name := fmt.Sprintf("/proc/%d/fd", pid)
	files, err := os.ReadDir(r.at(name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return shorter(name, err)
	}
	for _, file := range files {
		if target, err := os.Readlink(r.at(path.Join(name, file.Name()))); err == nil {
			f(target)
		}
	}
	return nil
}
