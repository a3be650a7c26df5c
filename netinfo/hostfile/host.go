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

	"dockwall/netinfo/inventory"
)

// Host reads what files say of the host. The files are the paths to look at; socket is
// that of the engine, whose group is Docker's.
func (r Reader) Host(files []string, socket string) inventory.Host {
	who := r.accounts()
	h := inventory.Host{
		Kernel:          inventory.Of(r.text("/proc/sys/kernel/osrelease")),
		Kernels:         inventory.Of(r.kernels()),
		Vulnerabilities: inventory.Of(r.vulnerabilities()),
		LSMs:            inventory.Of(r.lsms()),
		Sysctls:         inventory.Of(r.sysctls()),
		MountPoints:     inventory.Of(r.mountPoints()),
		Namespaces:      inventory.Of(r.namespaces(1)),
		Files:           map[string]inventory.Fact[inventory.File]{},
	}
	for _, f := range files {
		h.Files[f] = inventory.Of(r.file(f, who))
	}
	h.DockerGroup = inventory.Of(r.dockerGroup(socket))
	return h
}

func (r Reader) kernels() (map[string]int64, error) {
	names, err := r.names("/lib/modules")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no /lib/modules: the kernel was installed by other means")
	}
	if err != nil {
		return nil, err
	}
	found := map[string]int64{}
	for _, n := range names {
		// What an uninstalled kernel leaves behind has no list of its modules.
		st, err := os.Stat(r.at(path.Join("/lib/modules", n, "modules.order")))
		if err == nil {
			found[n] = st.ModTime().Unix()
		}
	}
	return found, nil
}

func (r Reader) vulnerabilities() (map[string]string, error) {
	const dir = "/sys/devices/system/cpu/vulnerabilities"
	names, err := r.names(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, n := range names {
		if found[n], err = r.text(path.Join(dir, n)); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (r Reader) lsms() ([]string, error) {
	s, err := r.text("/sys/kernel/security/lsm")
	if err != nil {
		return nil, err
	}
	return strings.Split(s, ","), nil
}

// sysctls are the kernel settings that the audit asks for.
func (r Reader) sysctls() (map[string]string, error) {
	names := []string{"net/ipv4/ip_unprivileged_port_start", "net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"}
	links, err := r.names("/proc/sys/net/ipv4/conf")
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		names = append(names, "net/ipv4/conf/"+l+"/route_localnet")
	}
	found := map[string]string{}
	for _, n := range names {
		v, err := r.text("/proc/sys/" + n)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found[dotted(n)] = v
	}
	return found, nil
}

// dotted is the name of a setting as sysctl prints it: an interface's own dots become
// slashes.
func dotted(name string) string { return strings.NewReplacer("/", ".", ".", "/").Replace(name) }

func (r Reader) mountPoints() ([]string, error) {
	lines, err := r.mountinfo(1)
	var points []string
	for _, l := range lines {
		points = append(points, l.point)
	}
	return points, err
}

// dockerGroup are the users, root excepted, that are in the group of the engine's
// socket: by the group's list, or because it is their primary group.
func (r Reader) dockerGroup(socket string) ([]string, error) {
	gid, listed, err := r.groupOf(socket)
	if err != nil || gid == "0" {
		return nil, err
	}
	b, err := r.read("/etc/passwd")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Split(strings.TrimSpace(line), ":"); len(f) > 3 && f[3] == gid {
			listed = append(listed, f[0])
		}
	}
	slices.Sort(listed)
	return slices.DeleteFunc(slices.Compact(listed), func(u string) bool { return u == "root" || u == "" }), nil
}

// groupOf is the number of the socket's group, or of the group docker if there is no
// socket, and the members that /etc/group lists.
func (r Reader) groupOf(socket string) (gid string, members []string, err error) {
	if st, err := os.Stat(r.at(socket)); socket != "" && err == nil {
		_, n := owner(st)
		gid = strconv.FormatUint(uint64(n), 10)
	}
	b, err := r.read("/etc/group")
	if err != nil {
		return "", nil, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) < 4 || f[2] != gid && (gid != "" || f[0] != "docker") {
			continue
		}
		gid = f[2]
		members = append(members, strings.Split(f[3], ",")...)
	}
	if gid == "" {
		return "0", nil, nil // neither a socket nor a group
	}
	return gid, members, nil
}

// mountLine is a line of mountinfo.
type mountLine struct {
	point    string
	readonly bool
	// shared is the peer group that it shares mounts with; empty if there is none.
	shared string
}

func (r Reader) mountinfo(pid int) ([]mountLine, error) {
	name := fmt.Sprintf("/proc/%d/mountinfo", pid)
	b, err := r.read(name)
	if err != nil {
		return nil, err
	}
	var all []mountLine
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 7 {
			return nil, fmt.Errorf("%s has a line that is too short", name)
		}
		l := mountLine{point: unescaped(f[4]), readonly: slices.Contains(strings.Split(f[5], ","), "ro")}
		for _, o := range f[6:] {
			if o == "-" {
				break
			}
			if strings.HasPrefix(o, "shared:") {
				l.shared = o
			}
		}
		all = append(all, l)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s is empty: the process has ended", name)
	}
	return all, nil
}

// unescaped is a path of mountinfo, in which blanks and backslashes are octal.
func unescaped(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}
