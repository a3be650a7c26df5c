package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// lookup is one step of what the kernel does to resolve a path: it looks for
// a name in a directory. Whatever replaces a file, however, changes the
// outcome of one of its steps, or the file's content.
type lookup struct {
	dir  string // canonical: no component of it is a symbolic link
	name string
}

// maxLinks is the kernel's own bound on symbolic links in one path.
const maxLinks = 40

// lookups lists the steps that resolve an absolute path, up to the first that
// finds nothing.
func lookups(path string) []lookup {
	var steps []lookup
	dir, rest, links := "/", parts(path), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			dir = filepath.Dir(dir)
			continue
		}
		steps = append(steps, lookup{dir, name})
		full := filepath.Join(dir, name)
		st, err := os.Lstat(full)
		if err != nil {
			return steps
		}
		if st.Mode()&fs.ModeSymlink == 0 {
			dir = full
			continue
		}
		target, err := os.Readlink(full)
		if links++; err != nil || links > maxLinks {
			return steps
		}
		if filepath.IsAbs(target) {
			dir = "/"
		}
		rest = append(parts(target), rest...)
	}
	return steps
}

// parts splits a path without cleaning it: a .. behind a symbolic link leaves
// the link's target, not the link's folder.
func parts(path string) []string {
	var all []string
	for p := range strings.SplitSeq(path, "/") {
		if p != "" && p != "." {
			all = append(all, p)
		}
	}
	return all
}

// fingerprint changes whenever the file, or the folder's *.hcl files, do, as
// far as stat can tell.
func fingerprint(path string) string {
	st, err := os.Stat(path)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	if !st.IsDir() {
		return statPrint(st)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return "unreadable: " + err.Error()
	}
	// The folder's own times are left out: an editor's swap file changes them.
	var b strings.Builder
	b.WriteString("folder")
	for _, e := range entries {
		if !isDropIn(e.Name()) {
			continue
		}
		b.WriteString("\n" + e.Name() + " ")
		if st, err := os.Stat(filepath.Join(path, e.Name())); err == nil {
			b.WriteString(statPrint(st))
		}
	}
	return b.String()
}

// identity distinguishes a folder from another one that takes its path.
func identity(st fs.FileInfo) string {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return ""
	}
	return fmt.Sprintf("%d %d", sys.Dev, sys.Ino)
}

func statPrint(st fs.FileInfo) string {
	var device, inode, changed uint64
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		device, inode = uint64(sys.Dev), sys.Ino
		changed = uint64(sys.Ctim.Nano())
	}
	return fmt.Sprintf("%d %d %d %d %d %s", device, inode, st.Size(), st.ModTime().UnixNano(), changed, st.Mode())
}
