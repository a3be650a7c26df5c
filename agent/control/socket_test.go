package control_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"dockwall/agent/control"
)

// leaveStale leaves the socket that a killed agent leaves.
func leaveStale(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
}

func TestBindMakesFolderAndMode(t *testing.T) {
	old := syscall.Umask(0o077) // as systemd's UMask=0077
	defer syscall.Umask(old)
	path := filepath.Join(t.TempDir(), "a", "b", "agent.sock")
	s, err := control.Bind(path)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode().Perm(); got != 0o660 {
		t.Errorf("mode = %o, want 660", got)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestBindReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	leaveStale(t, path)
	s, err := control.Bind(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestBindRefusesASecondAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	first, err := control.Bind(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = control.Bind(path)
	var used *control.InUse
	if !errors.As(err, &used) || used.PID != os.Getpid() || !strings.HasPrefix(err.Error(), "another agentd is running: process ") {
		t.Errorf("the second Bind: %v", err)
	}
	// Also where somebody took the socket's file away meanwhile.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := control.Bind(path); !errors.As(err, &used) {
		t.Errorf("Bind without the socket's file: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := control.Bind(path)
	if err != nil {
		t.Fatalf("Bind after Close: %v", err)
	}
	again.Close()
}

// TestBindOutlastsWhatAKilledAgentWasStarting: a command between its fork and
// its execve holds what the agent held.
func TestBindOutlastsWhatAKilledAgentWasStarting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	lock, err := os.Create(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	heir := exec.Command("sleep", "0.3")
	heir.ExtraFiles = []*os.File{lock}
	if err := heir.Start(); err != nil {
		t.Fatal(err)
	}
	defer heir.Wait()
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := control.Bind(path)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

func TestBindRefusesAForeignListener(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = control.Bind(path)
	var used *control.InUse
	if !errors.As(err, &used) || !strings.Contains(err.Error(), "it answers on "+path) {
		t.Errorf("Bind = %v", err)
	}
	if c, err := net.Dial("unix", path); err != nil {
		t.Errorf("the foreign socket is gone: %v", err)
	} else {
		c.Close()
	}
}

func TestBindRemovesNothingButSockets(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		name string
		make func(path string) error
		want string
	}{
		{"file", func(p string) error { return os.WriteFile(p, []byte("keep"), 0o600) }, "exists and is a file"},
		{"folder", func(p string) error { return os.Mkdir(p, 0o700) }, "exists and is a folder"},
		{"link", func(p string) error { return os.Symlink(filepath.Join(dir, "elsewhere"), p) }, "exists and is a symbolic link"},
	}
	for _, tt := range tests {
		path := filepath.Join(dir, tt.name)
		if err := tt.make(path); err != nil {
			t.Fatal(err)
		}
		if _, err := control.Bind(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Bind = %v", tt.name, err)
		}
		if _, err := os.Lstat(path); err != nil {
			t.Errorf("%s was removed: %v", tt.name, err)
		}
	}
}
