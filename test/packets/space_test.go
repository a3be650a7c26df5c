package packets

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// space is a network namespace without a name: it exists as long as a process
// has it open.
type space struct {
	name string
	file *os.File
}

func newSpace(t testing.TB, name string) *space {
	t.Helper()
	s := &space{name: name}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		f, err := os.Open("/proc/thread-self/ns/net")
		s.file = f
		return err
	})
	if err != nil {
		t.Fatalf("making the namespace of %s: %v", name, err)
	}
	t.Cleanup(func() { s.file.Close() })
	return s
}

// onThread runs f on a thread that ends with it, whatever f did to it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// in runs f with the calling thread inside the namespace. Sockets made and
// programs started there belong to it.
func (s *space) in(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(s.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the namespace of %s: %w", s.name, err)
		}
		return f()
	})
}

// path is how other programs find the namespace while the test runs.
func (s *space) path() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), s.file.Fd()) }

// run runs a program inside and returns what it printed.
func (s *space) run(stdin string, argv ...string) (string, error) {
	var out, errs bytes.Buffer
	err := s.in(func() error {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
		return cmd.Run()
	})
	if err != nil {
		return "", fmt.Errorf("%s in %s: %w: %s", strings.Join(argv, " "), s.name, err, errs.String())
	}
	return out.String(), nil
}

func (s *space) must(t testing.TB, stdin string, argv ...string) string {
	t.Helper()
	out, err := s.run(stdin, argv...)
	if err != nil {
		t.Fatalf("%v\n%s", err, stdin)
	}
	return out
}

// ip runs lines of ip's batch language.
func (s *space) ip(t testing.TB, lines ...string) {
	t.Helper()
	s.must(t, strings.Join(lines, "\n")+"\n", "ip", "-batch", "-")
}

// set writes a switch of the namespace's own below /proc/sys/net.
func (s *space) set(t testing.TB, name, value string) {
	t.Helper()
	err := s.in(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
}

// needRoot skips, or fails in CI, where no namespaces can be made.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("needs root")
	}
	t.Skip("needs root: it makes network namespaces")
}
