package boot

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"syscall"
	"testing"

	"dockwall/test/lab"
)

const cgroups = "/sys/fs/cgroup"

// cgroupDirs are the cgroups of a machine: one per controller where this
// machine has cgroup v1, otherwise one.
func cgroupDirs(id string) []string {
	if _, err := os.Stat(filepath.Join(cgroups, "cgroup.procs")); err == nil {
		return []string{filepath.Join(cgroups, id)}
	}
	found, err := filepath.Glob(filepath.Join(cgroups, "*", "cgroup.procs"))
	if err != nil {
		return nil
	}
	var dirs []string
	for _, file := range found {
		dirs = append(dirs, filepath.Join(filepath.Dir(file), id))
	}
	return dirs
}

// remove takes the machine away.
func (m *Machine) remove() {
	if m.t.Failed() && m.running() && m.leader != 0 {
		m.dump()
	}
	if m.running() {
		if m.leader != 0 {
			_ = syscall.Kill(m.leader, syscall.SIGKILL) // the kernel kills the rest with it
		} else {
			_ = m.nspawn.Process.Kill()
		}
		<-m.ended
	}
	for _, err := range sweepOne(m.id) {
		m.t.Errorf("taking the machine away: %v", err)
	}
}

// dump prints what one wants to see after a failure.
func (m *Machine) dump() {
	for _, command := range []string{
		"systemctl --no-pager --failed",
		"systemctl --no-pager --lines=0 status dockwall.service dockwall-boot.service dockwall-sets.service docker.service",
		"iptables-save -c | grep -v not.docker", "ip -br addr",
		"journalctl --no-pager -b -o short-precise -n 50 -u dockwall.service -u dockwall-boot.service -u dockwall-sets.service",
	} {
		out, _ := m.Try("sh", "-c", command)
		m.t.Logf("%s:\n%s", command, lastLines(out, 60))
	}
}

// sweep removes what machines left whose test process was killed.
func sweep(t testing.TB) {
	t.Helper()
	name := regexp.MustCompile(`^(dwt-boot-([0-9]+)-[0-9]+)(-host|-wan)?$`)
	var dead []string
	for _, dir := range []string{"/run/netns", os.TempDir()} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue // no namespace was ever made here
		}
		for _, entry := range entries {
			match := name.FindStringSubmatch(entry.Name())
			if match == nil || slices.Contains(dead, match[1]) {
				continue
			}
			if _, err := os.Stat(filepath.Join("/proc", match[2])); err != nil {
				dead = append(dead, match[1])
			}
		}
	}
	for _, id := range dead {
		t.Logf("removing what is left of %s, whose test was killed", id)
		for _, err := range sweepOne(id) {
			t.Logf("removing what is left of %s: %v", id, err)
		}
	}
}

// sweepOne removes a machine's namespaces, cgroups and disk.
func sweepOne(id string) []error {
	failed := unwire(id)
	for _, dir := range cgroupDirs(id) {
		if err := lab.RemoveCgroup(dir); err != nil {
			failed = append(failed, fmt.Errorf("removing the cgroup: %w", err))
		}
	}
	if err := os.RemoveAll(filepath.Join(os.TempDir(), id)); err != nil {
		failed = append(failed, err)
	}
	return failed
}

// unwire removes a machine's network namespaces.
func unwire(id string) []error {
	var failed []error
	for _, name := range []string{"-host", "-wan"} {
		if _, err := os.Stat("/run/netns/" + id + name); err != nil {
			continue
		}
		if out, err := exec.Command("ip", "netns", "delete", id+name).CombinedOutput(); err != nil {
			failed = append(failed, fmt.Errorf("deleting namespace %s%s: %w: %s", id, name, err, out))
		}
	}
	return failed
}
