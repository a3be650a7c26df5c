package boot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bootTime is how long the system gets to come up or go down.
const bootTime = 90 * time.Second

// Machine is one Debian system with a disk of its own, booted or not.
type Machine struct {
	t    testing.TB
	repo string
	id   string // "dwt-boot-<pid>-<n>", first part of every name
	dir  string // disk, and whatever else is kept for it
	root string // the system that the disk is laid over

	nspawn *exec.Cmd
	ended  chan struct{}
	leader int // pid 1 of the booted system, as this machine numbers it
}

// New makes a machine that is not booted yet, and has it taken away when the
// test ends.
func New(t testing.TB) *Machine {
	t.Helper()
	need(t)
	sweep(t)
	m := &Machine{t: t, repo: repository(t)}
	m.root = rootFS(t, m.repo)
	for n := 1; m.dir == ""; n++ {
		m.id = fmt.Sprintf("dwt-boot-%d-%d", os.Getpid(), n)
		dir := filepath.Join(os.TempDir(), m.id)
		err := os.Mkdir(dir, 0o755)
		switch {
		case err == nil:
			m.dir = dir
		case !errors.Is(err, os.ErrExist):
			t.Fatalf("making a machine: %v", err)
		}
	}
	for _, part := range []string{"upper", "work", "merged", "docker"} {
		if err := os.Mkdir(filepath.Join(m.dir, part), 0o755); err != nil {
			t.Fatalf("making a machine: %v", err)
		}
	}
	t.Cleanup(m.remove)
	return m
}

// Boot powers the machine on, with new network namespaces, and waits until it
// has started what is enabled.
func (m *Machine) Boot() {
	m.t.Helper()
	m.Wire()
	m.PowerOn()
	m.WaitBooted()
}

// PowerOn starts the system on the wires that are there, and does not wait.
func (m *Machine) PowerOn() {
	m.t.Helper()
	m.ended = make(chan struct{})
	m.nspawn = exec.Command("unshare", "--mount", "--propagation=private", "sh", "-ec", m.script())
	m.nspawn.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes", "LC_ALL=C"}
	m.nspawn.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	console, err := os.OpenFile(filepath.Join(m.dir, "console"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		m.t.Fatalf("powering on: %v", err)
	}
	defer console.Close()
	m.nspawn.Stdout, m.nspawn.Stderr = console, console
	started := make(chan error)
	go func() {
		// The signal on death is bound to the thread that starts it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := m.nspawn.Start()
		started <- err
		if err == nil {
			_ = m.nspawn.Wait() // however it ends, it has ended
		}
		close(m.ended)
	}()
	if err := <-started; err != nil {
		m.t.Fatalf("powering on: %v", err)
	}
}

// script lays the disk over the system, goes into a cgroup of its own and
// becomes systemd-nspawn. The mounts are its own.
func (m *Machine) script() string {
	var s strings.Builder
	for _, dir := range cgroupDirs(m.id) {
		fmt.Fprintf(&s, "mkdir -p %[1]s\n", dir)
		if parent := filepath.Dir(dir); filepath.Base(parent) == "cpuset" {
			fmt.Fprintf(&s, "cat %[1]s/cpuset.cpus >%[2]s/cpuset.cpus; cat %[1]s/cpuset.mems >%[2]s/cpuset.mems\n", parent, dir)
		}
		fmt.Fprintf(&s, "echo $$ >%s/cgroup.procs\n", dir)
	}
	fmt.Fprintf(&s, "mkdir -p /run/systemd/nspawn\nmount -t tmpfs tmpfs /run/systemd/nspawn\n"+
		"mount -t overlay overlay -o lowerdir=%[1]s,upperdir=%[2]s/upper,workdir=%[2]s/work %[2]s/merged\n", m.root, m.dir)
	// Docker needs the kernel's keys and bpf, and a disk that is no overlay.
	fmt.Fprintf(&s, "exec systemd-nspawn --quiet --boot --directory=%[1]s/merged --machine=%[2]s"+
		" --register=no --keep-unit --link-journal=no --console=pipe --resolv-conf=off --timezone=off"+
		" --capability=all --system-call-filter='@keyring bpf'"+
		" --network-namespace-path=/run/netns/%[2]s-host --bind=%[1]s/docker:/var/lib/docker\n", m.dir, m.id)
	return s.String()
}

// WaitBooted waits until systemd has nothing more to start.
func (m *Machine) WaitBooted() {
	m.t.Helper()
	m.Until(bootTime, "the system to boot", func() error {
		if !m.running() {
			return fmt.Errorf("it has ended: %s", m.console())
		}
		m.leader = child(m.nspawn.Process.Pid)
		if m.leader == 0 {
			return errors.New("there is no system yet")
		}
		_, err := os.Stat(m.path("/run/systemd/private"))
		return err
	})
	m.Until(bootTime, "the system to be up", func() error {
		out, _ := m.Try("systemctl", "is-system-running", "--wait")
		if state := strings.TrimSpace(out); state != "running" && state != "degraded" {
			return fmt.Errorf("it is %q", state)
		}
		return nil
	})
}

// PowerOff shuts the system down in good order.
func (m *Machine) PowerOff() {
	m.t.Helper()
	_, _ = m.Try("systemctl", "poweroff") // it may be gone before it answers
	m.wait("to power off")
}

// Cut takes the power away.
func (m *Machine) Cut() {
	m.t.Helper()
	if err := syscall.Kill(m.leader, syscall.SIGKILL); err != nil {
		m.t.Fatalf("cutting the power: %v", err)
	}
	m.wait("to be gone")
}

func (m *Machine) wait(what string) {
	m.t.Helper()
	select {
	case <-m.ended:
	case <-time.After(bootTime):
		m.t.Fatalf("waiting for the system %s: it still runs after %s", what, bootTime)
	}
	m.leader = 0
}

func (m *Machine) running() bool {
	if m.nspawn == nil {
		return false
	}
	select {
	case <-m.ended:
		return false
	default:
		return true
	}
}

// Try runs a command in the booted system and gives what it printed.
func (m *Machine) Try(args ...string) (string, error) {
	cmd := exec.Command("nsenter", append([]string{"--target", strconv.Itoa(m.leader),
		"--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"}, args...)...)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", "SYSTEMD_COLORS=0"}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// Run is Try for what must not fail.
func (m *Machine) Run(args ...string) string {
	m.t.Helper()
	out, err := m.Try(args...)
	if err != nil {
		m.t.Fatalf("in the system, %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Shell runs a line of shell in the booted system; it must not fail.
func (m *Machine) Shell(line string) string {
	m.t.Helper()
	return m.Run("sh", "-ec", line)
}

// Write writes a file of the booted system, whole, by a rename.
func (m *Machine) Write(path, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(m.path(path)), 0o755); err != nil {
		m.t.Fatalf("writing %s: %v", path, err)
	}
	if err := os.WriteFile(m.path(path)+".new", []byte(text), 0o644); err != nil {
		m.t.Fatalf("writing %s: %v", path, err)
	}
	if err := os.Rename(m.path(path)+".new", m.path(path)); err != nil {
		m.t.Fatalf("writing %s: %v", path, err)
	}
}

// Copy copies a file of this machine into the booted system.
func (m *Machine) Copy(from, to string) {
	m.t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		m.t.Fatalf("copying: %v", err)
	}
	m.Write(to, string(data))
}

// path is where the booted system's file is to be found from outside.
func (m *Machine) path(inside string) string {
	return filepath.Join("/proc", strconv.Itoa(m.leader), "root", inside)
}

func (m *Machine) console() string {
	text, err := os.ReadFile(filepath.Join(m.dir, "console"))
	if err != nil {
		return err.Error()
	}
	return lastLines(string(text), 20)
}

// Until polls until the condition holds; the test fails with its last reason.
func (m *Machine) Until(limit time.Duration, what string, try func() error) {
	m.t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("waiting for %s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// child is the first child of a process, 0 where it has none.
func child(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	n, err := strconv.Atoi(first)
	if err != nil {
		return 0
	}
	return n
}

// repository is the folder of go.mod, above the package under test.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatalf("finding the repository: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("finding the repository: %v", err)
	}
	return dir
}
