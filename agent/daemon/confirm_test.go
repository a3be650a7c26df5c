package daemon

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/agent/trial"
)

// wantBack waits until the kernel holds what it held.
func (h *host) wantBack(before string) {
	h.t.Helper()
	var now string
	defer func() {
		if h.t.Failed() {
			h.t.Logf("the kernel (-want +got):\n%s", cmp.Diff(before, now))
		}
	}()
	h.until("the kernel to go back", func() bool { now = h.save(); return now == before })
}

// undo is the trial that is on record; nil if there is none.
func (h *host) undo() *trial.Undo {
	h.t.Helper()
	u, err := trial.ReadUndo(trial.UndoPath(h.socket()))
	if err != nil {
		h.t.Fatal(err)
	}
	return u
}

// waiter is the process that waits for the confirmation.
func (h *host) waiter() int {
	h.t.Helper()
	u := h.undo()
	if u == nil {
		h.t.Fatal("there is no trial")
	}
	return u.Waiting.PID
}

// noWaiter waits until that process has ended.
func (h *host) noWaiter(pid int) {
	h.t.Helper()
	h.until("the process that waits to end", func() bool {
		cmdline, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "cmdline"))
		return err != nil || !bytes.Contains(cmdline, []byte("await-confirmation"))
	})
}

func itoa(n int) string {
	b, _ := json.Marshal(n)
	return string(b)
}

const legacyBackend = "firewall {\n  backend = \"iptables-legacy\"\n}\n"

func TestTrialWithoutDaemon(t *testing.T) {
	for _, tt := range []struct {
		name  string
		begin func(*host)
	}{
		{"empty", func(*host) {}},
		{"foreign rules", (*host).foreign},
		{"iptables-legacy", func(h *host) {
			h.write(shopFrom + legacyBackend)
			h.mustCtl(0, "apply")
			h.narrowed += legacyBackend
		}},
		{"earlier policy", func(h *host) { h.foreign(); h.write(shopFrom); h.mustCtl(0, "apply") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			tt.begin(h)
			before := h.save()
			h.write(shopNarrow + h.narrowed)
			h.mustCtl(0, "apply", "--confirm", "5s")
			pid := h.waiter()
			h.mustCtl(0, "diff")
			if h.save() == before {
				t.Fatal("the trial changed nothing")
			}
			h.mustCtl(2, "apply")
			h.wantBack(before)
			h.noWaiter(pid)
			if h.undo() != nil {
				t.Error("the trial is over and still on record")
			}
			h.mustCtl(2, "confirm")

			h.mustCtl(0, "apply", "--confirm", "5s")
			pid = h.waiter()
			h.mustCtl(0, "confirm")
			h.noWaiter(pid)
			h.mustCtl(0, "diff")
			h.mustCtl(0, "apply", "--confirm", "5s") // there is nothing to try
			if h.undo() != nil {
				t.Error("a trial of nothing")
			}
		})
	}
}

// TestTrialOutlivesItsTerminal: whoever began it is killed at any moment, its
// session with it, and it goes back all the same.
func TestTrialOutlivesItsTerminal(t *testing.T) {
	h := newHost(t)
	h.foreign()
	h.write(shopFrom)
	h.mustCtl(0, "apply")
	before := h.save()
	h.write(shopNarrow)
	inForce := func() bool { return h.save() != before }
	for _, signal := range []syscall.Signal{syscall.SIGKILL, syscall.SIGHUP} {
		// 0: as soon as the trial is in force.
		for _, after := range []time.Duration{5, 20, 40, 80, 160, 0} {
			cmd := h.command(filepath.Join(h.bin, "agentctl"), "apply", "--confirm", "2s", "--config", h.file())
			cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if after == 0 {
				h.until("the trial to be in force", inForce)
			}
			time.Sleep(after * time.Millisecond)
			// The whole session's group, as the kernel does for a terminal.
			_ = syscall.Kill(-cmd.Process.Pid, signal)
			_ = cmd.Wait()
			h.until("the trial to end", func() bool { return h.over(before) })
			h.wantBack(before)
		}
	}
}

// over reports whether no trial is on record. Where its beginner was killed before
// anybody waited, nothing may have been written yet, and the next agentctl sees
// to the record.
func (h *host) over(before string) bool {
	h.t.Helper()
	u := h.undo()
	if u != nil && !u.Waiting.Alive() && h.undo() != nil {
		if now := h.save(); now != before {
			h.t.Fatalf("nobody waits, and the kernel is changed (-want +got):\n%s", cmp.Diff(before, now))
		}
		h.ctl("status")
	}
	return u == nil
}

func TestKilledWaiter(t *testing.T) {
	h := newHost(t)
	h.foreign()
	before := h.save()
	h.write(shopNarrow)
	h.mustCtl(0, "apply", "--confirm", "3s")
	if err := syscall.Kill(h.waiter(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.noWaiter(h.waiter())
	time.Sleep(3100 * time.Millisecond) // its deadline passes
	if h.save() == before {
		t.Fatal("somebody else went back: this shows nothing")
	}
	if _, stderr, code := h.ctl("status"); code != 2 || !strings.Contains(stderr, "the way back had not been taken: it is taken now") {
		t.Errorf("status = %d: %s", code, stderr)
	}
	h.wantBack(before)

	// Killed before the deadline: another one is started.
	h.mustCtl(0, "apply", "--confirm", "3s")
	if err := syscall.Kill(h.waiter(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.noWaiter(h.waiter())
	h.ctl("status")
	h.wantBack(before)
	// Told to end, it goes back at once.
	h.mustCtl(0, "apply", "--confirm", "1h")
	if err := syscall.Kill(h.waiter(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	h.wantBack(before)
}

// TestSessionIsFound: sudo and su drop SSH_CONNECTION, and the change that would
// cut the session is refused all the same.
func TestSessionIsFound(t *testing.T) {
	h := newHost(t)
	h.must("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0p")
	h.must("ip", "addr", "add", "192.0.2.1/24", "dev", "eth0")
	h.must("ip", "link", "set", "eth0", "up")
	before := h.save()
	h.write("block \"them\" {\n  from = [\"192.0.2.7\"]\n}\n")
	typed := func(client string, args ...string) (string, int) {
		t.Helper()
		ctl := filepath.Join(h.bin, "agentctl") + " " + strings.Join(append(args, "--config", h.file()), " ")
		// A shell that has the variable, and one below it that has lost it.
		cmd := h.command("env", "SSH_CONNECTION="+client+" 50000 192.0.2.1 22", "sh", "-c", "env -u SSH_CONNECTION sh -c '"+ctl+"; exit $?'; exit $?")
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	out, code := typed("192.0.2.7", "apply")
	if code != 2 || !strings.Contains(out, "this would cut the SSH connection that you are typing in: 192.0.2.7 may not reach 192.0.2.1:22 (block.them, agent.hcl:7)") {
		t.Errorf("apply = %d: %s", code, out)
	}
	if after := h.save(); after != before {
		t.Errorf("the kernel was changed:\n%s", cmp.Diff(before, after))
	}
	out, code = typed("192.0.2.7", "apply", "--confirm", "1s")
	if code != 0 || !strings.Contains(out, "Warning: this would cut") || !strings.Contains(out, "On trial: ") {
		t.Errorf("apply --confirm = %d: %s", code, out)
	}
	h.wantBack(before)
	h.until("the trial to end", func() bool { return h.undo() == nil })
	if out, code = typed("192.0.2.8", "apply"); code != 0 || strings.Contains(out, "SSH") {
		t.Errorf("apply from elsewhere = %d: %s", code, out)
	}
}
