package hostfile

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"dockwall/netinfo/inventory"
)

// accounts are the names of users and groups by their number.
type accounts struct{ users, groups map[string]string }

// accounts reads the names. Where they cannot be read, numbers stand for them: 0 is
// root on every host.
func (r Reader) accounts() accounts {
	byID := func(name string) map[string]string {
		names := map[string]string{"0": "root"}
		b, err := r.read(name)
		if err != nil {
			return names
		}
		for line := range strings.Lines(string(b)) {
			if f := strings.Split(strings.TrimSpace(line), ":"); len(f) > 2 {
				if _, twice := names[f[2]]; !twice {
					names[f[2]] = f[0]
				}
			}
		}
		return names
	}
	return accounts{byID("/etc/passwd"), byID("/etc/group")}
}

func named(names map[string]string, id uint32) string {
	n := strconv.FormatUint(uint64(id), 10)
	if name, ok := names[n]; ok {
		return name
	}
	return n
}

// file looks at a file, folder or socket, and at the folders above it.
func (r Reader) file(name string, who accounts) (inventory.File, error) {
	real, err := r.Resolve(name)
	if err != nil {
		return inventory.File{}, err
	}
	st, err := os.Lstat(r.at(real))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return inventory.File{Missing: true}, nil
	}
	if err != nil {
		return inventory.File{}, shorter(name, err)
	}
	uid, gid := owner(st)
	f := inventory.File{Real: real, Kind: kind(st.Mode()), Mode: bits(st.Mode()), Owner: named(who.users, uid), Group: named(who.groups, gid)}
	for dir := path.Dir(real); ; dir = path.Dir(dir) {
		st, err := os.Stat(r.at(dir))
		if err != nil {
			return inventory.File{}, shorter(dir, err)
		}
		uid, _ := owner(st)
		f.Parents = append([]inventory.Parent{{Path: dir, Mode: bits(st.Mode()), Owner: named(who.users, uid)}}, f.Parents...)
		if dir == "/" {
			return f, nil
		}
	}
}

// maxBelow is how many files of a folder are looked at.
const maxBelow = 4096

// Below lists the files and folders below a folder, sorted; links are not followed. A
// folder that cannot be read is in the list, and nothing below it.
func (r Reader) Below(folder string) []string {
	var all []string
	root := r.at(folder)
	_ = filepath.WalkDir(root, func(name string, _ fs.DirEntry, _ error) error {
		if rel, _ := filepath.Rel(root, name); rel != "." && len(all) < maxBelow {
			all = append(all, path.Join(folder, rel))
		}
		return nil // the audit says for each file why it cannot be read
	})
	return slices.Compact(all) // a folder that cannot be read was visited twice
}

func owner(st fs.FileInfo) (uid, gid uint32) {
	if s, ok := st.Sys().(*syscall.Stat_t); ok {
		return s.Uid, s.Gid
	}
	return 0, 0
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsRegular():
		return "file"
	case m.IsDir():
		return "dir"
	case m&fs.ModeSocket != 0:
		return "socket"
	}
	return "other"
}

// bits are a file's mode as chmod takes it.
func bits(m fs.FileMode) uint32 {
	b := uint32(m.Perm())
	for _, special := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&special.mode != 0 {
			b |= special.bit
		}
	}
	return b
}
