package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that is waited for.
const patience = 15 * time.Second

// host is a network namespace, and a folder with the agent's files.
type host struct {
	t    *testing.T
	name string
	dir  string
	bin  string
	// narrowed is what a test adds to shopNarrow.
	narrowed string
}

// binaries builds agentd and agentctl once for all tests.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "dwt-bin-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, "../cmd/agentd", "../cmd/agentctl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building: %w: %s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if os.Geteuid() == 0 {
		if dir, err := binaries(); err == nil {
			os.RemoveAll(dir)
		}
	}
	os.Exit(code)
}

func newHost(t *testing.T) *host {
	t.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("this test needs root, and CI is set")
		}
		t.Skip("this test needs root: it writes to the kernel, in a network namespace of its own")
	}
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	// Short, for the control socket's sake.
	dir, err := os.MkdirTemp("", "dwt-")
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, name: filepath.Base(dir), dir: dir, bin: bin}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if out, err := exec.Command("ip", "netns", "add", h.name).CombinedOutput(); err != nil {
		t.Fatalf("making a network namespace: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", h.name).CombinedOutput(); err != nil {
			t.Errorf("removing the network namespace: %v: %s", err, out)
		}
	})
	h.must("ip", "link", "set", "lo", "up")
	return h
}

func (h *host) file() string { return filepath.Join(h.dir, "agent.hcl") }

func (h *host) socket() string { return filepath.Join(h.dir, "agent.sock") }

func (h *host) command(args ...string) *exec.Cmd {
	return exec.Command("nsenter", append([]string{"--net=/run/netns/" + h.name, "--"}, args...)...)
}

// must runs a command on the host.
func (h *host) must(args ...string) string {
	h.t.Helper()
	out, err := h.command(args...).CombinedOutput()
	if err != nil {
		h.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

// feed runs a command with this input.
func (h *host) feed(stdin string, args ...string) {
	h.t.Helper()
	cmd := h.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// write replaces agent.hcl as editors do.
func (h *host) write(policy string) {
	h.t.Helper()
	text := fmt.Sprintf("control {\n  socket = %q\n}\ndocker {\n  host = %q\n}\n%s", h.socket(),
		"unix://"+filepath.Join(h.dir, "no-docker.sock"), policy)
	if err := os.WriteFile(h.file()+".new", []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(h.file()+".new", h.file()); err != nil {
		h.t.Fatal(err)
	}
}

// ctl runs agentctl and returns what it printed and its exit code.
func (h *host) ctl(args ...string) (stdout, stderr string, code int) {
	h.t.Helper()
	cmd := h.command(append([]string{filepath.Join(h.bin, "agentctl")}, append(args, "--config", h.file())...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (h *host) mustCtl(want int, args ...string) string {
	h.t.Helper()
	stdout, stderr, code := h.ctl(args...)
	if code != want {
		h.t.Fatalf("agentctl %v = %d, want %d\nstdout:\n%s\nstderr:\n%s", args, code, want, stdout, stderr)
	}
	return stdout
}

var counters = regexp.MustCompile(`(?m)^#.*\n| \[\d+:\d+\]| initval 0x[0-9a-f]+`)

// save is everything in the kernel; timestamps, counters and the seeds and
// order of hashes aside.
func (h *host) save() string {
	h.t.Helper()
	sets := strings.SplitAfter(h.printed("ipset", "save"), "\n")
	slices.Sort(sets)
	return counters.ReplaceAllString(h.printed("iptables-nft-save")+h.printed("ip6tables-nft-save")+
		h.printed("iptables-legacy-save")+h.printed("ip6tables-legacy-save")+strings.Join(sets, ""), "")
}

// printed is what a save command prints. It reads rules first and then the sets
// that they look at, and fails where these were taken away in between.
func (h *host) printed(args ...string) string {
	h.t.Helper()
	for range 10 {
		if out, err := h.command(args...).CombinedOutput(); err == nil {
			return string(out)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return h.must(args...)
}

// until waits for something.
func (h *host) until(what string, holds func() bool) {
	h.t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited %s in vain for %s; the log:\n%s", patience, what, h.log())
		}
	}
}

// agentProcess is a running agentd.
type agentProcess struct {
	*exec.Cmd
	h    *host
	done chan error
}

// start starts agentd with the folder for its state and waits for nothing.
func (h *host) start(env ...string) *agentProcess {
	h.t.Helper()
	return h.launch(h.command(h.agentd()...), env...)
}

// agentd is its command line.
func (h *host) agentd() []string {
	return []string{filepath.Join(h.bin, "agentd"), "--config", h.file(), "--state", h.dir}
}

// launch is start, of a command that ends in being agentd.
func (h *host) launch(cmd *exec.Cmd, env ...string) *agentProcess {
	h.t.Helper()
	p := &agentProcess{Cmd: cmd, h: h, done: make(chan error, 1)}
	p.Env = append(os.Environ(), env...)
	out, err := os.OpenFile(filepath.Join(h.dir, "agentd.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer out.Close()
	p.Stdout, p.Stderr = out, out
	if err := p.Cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() { p.done <- p.Wait() }()
	h.t.Cleanup(func() {
		if p.ended() {
			return
		}
		_ = p.Process.Kill()
		<-p.done
	})
	return p
}

func (p *agentProcess) ended() bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	default:
		return false
	}
}

// stop ends it and returns its exit code.
func (p *agentProcess) stop() int {
	p.h.t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		p.h.t.Fatal(err)
	}
	return p.wait()
}

func (p *agentProcess) wait() int {
	p.h.t.Helper()
	select {
	case err := <-p.done:
		p.done <- err
	case <-time.After(patience):
		p.h.t.Fatalf("agentd does not end; its log:\n%s", p.h.log())
	}
	return p.ProcessState.ExitCode()
}

// log is what the host's agentds have printed.
func (h *host) log() string {
	b, err := os.ReadFile(filepath.Join(h.dir, "agentd.log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// background runs a command, and all that it starts, until the test ends.
func (h *host) background(cmd *exec.Cmd) {
	h.t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
}
