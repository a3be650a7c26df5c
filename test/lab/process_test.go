package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A process that was stopped and is then killed takes nsenter, which stopped with it,
// along. Otherwise it stays as a stopped process after the test.
func TestKillStopped(t *testing.T) {
	needRoot(t)
	p, err := startProcess(exec.Command("nsenter", "--pid=/proc/self/ns/pid", "sleep", "600"), false)
	if err != nil {
		t.Fatal(err)
	}
	defer p.cmd.Process.Kill()
	for deadline := time.Now().Add(endTime); p.pid() == 0; time.Sleep(10 * time.Millisecond) {
		if !p.running() {
			t.Fatal("nsenter ended")
		}
		if time.Now().After(deadline) {
			t.Fatal("nsenter starts nothing")
		}
	}
	if err := p.signal(syscall.SIGSTOP, false); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(endTime); !stopped(t, p.cmd.Process.Pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nsenter does not stop with its child: this test shows nothing")
		}
	}
	if err := p.signal(syscall.SIGKILL, true); err != nil {
		t.Fatal(err)
	}
	if p.running() {
		t.Error("nsenter is still there")
	}
}

// stopped reports whether the process is in state T.
func stopped(t *testing.T, pid int) bool {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(status), "State:\tT")
}
