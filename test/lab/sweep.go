package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// prefix begins every name that a lab gives outside itself.
	prefix   = "dwt-"
	netnsDir = "/run/netns"
	cgroups  = "/sys/fs/cgroup"
)

// namespaces of every lab; all except the host are clients.
var namespaces = [...]string{"host", "wan", "wan2", "lan"}

// sweep removes what labs left whose test process is gone.
func sweep(t testing.TB) {
	t.Helper()
	name := regexp.MustCompile(`^(dwt-([0-9]+)-[0-9]+)(-host|-wan|-wan2|-lan)?$`)
	var dead []string
	for _, dir := range []string{netnsDir, os.TempDir()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // no namespace was ever made here
		}
		for _, entry := range entries {
			m := name.FindStringSubmatch(entry.Name())
			if m != nil && !alive(m[2]) && !slices.Contains(dead, m[1]) {
				dead = append(dead, m[1])
			}
		}
	}
	for _, id := range dead {
		t.Logf("removing what is left of %s, whose test was killed", id)
		for _, err := range remove(id) {
			t.Logf("removing what is left of %s: %v", id, err)
		}
	}
}

func alive(pid string) bool {
	_, err := os.Stat(filepath.Join("/proc", pid))
	return err == nil
}

// remove takes away a lab's namespaces, cgroups and files.
func remove(id string) []error {
	var failed []error
	for _, name := range namespaces {
		if _, err := os.Stat(filepath.Join(netnsDir, id+"-"+name)); err != nil {
			continue
		}
		if out, err := exec.Command("ip", "netns", "delete", id+"-"+name).CombinedOutput(); err != nil {
			failed = append(failed, fmt.Errorf("deleting namespace %s-%s: %w: %s", id, name, err, out))
		}
	}
	if err := removeCgroups(id); err != nil {
		failed = append(failed, err)
	}
	if err := os.RemoveAll(filepath.Join(os.TempDir(), id)); err != nil {
		failed = append(failed, err)
	}
	return failed
}

// removeCgroups removes the lab's cgroup, once per controller with cgroup v1.
func removeCgroups(id string) error {
	roots, err := filepath.Glob(filepath.Join(cgroups, "*", id))
	if err != nil {
		return err
	}
	roots = append(roots, filepath.Join(cgroups, id))
	for _, root := range roots {
		if err := RemoveCgroup(root); err != nil {
			return fmt.Errorf("removing the lab's cgroup: %w", err)
		}
	}
	return nil
}

// RemoveCgroup removes a cgroup from its leaves up. A process that was killed
// may be in one for some moments yet.
func RemoveCgroup(root string) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := removeTree(root)
		if !errors.Is(err, syscall.EBUSY) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// removeTree removes a cgroup from its leaves up; the files in it are the
// kernel's and go with it.
func removeTree(root string) error {
	var dirs []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(dirs, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, dir := range dirs {
		if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, syscall.ENOENT) {
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
	return nil
}
