package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dockwall/agent/reconcile"
)

// trialState is what the daemon says of a trial; empty if there is none.
func (h *host) trialState() reconcile.TrialState {
	st, ok := h.status()
	if !ok || st.Trial == nil {
		return ""
	}
	return st.Trial.State
}

func (h *host) untilTrial(want reconcile.TrialState) {
	h.t.Helper()
	h.until("the trial to be "+string(want), func() bool { return h.trialState() == want })
}

// narrow reports whether shopNarrow is in force.
func (h *host) narrow() bool { return strings.Contains(h.save(), "--ctorigdstport 444") }

func TestDaemonHoldsTheTrial(t *testing.T) {
	h := newHost(t)
	h.foreign()
	h.write(shopFrom)
	p := h.start()
	p.inForce()
	before := h.save()
	h.mustCtl(0, "apply", "--confirm", "2s") // there is nothing to try
	if got := h.trialState(); got != "" {
		t.Fatalf("a trial of nothing is %s", got)
	}

	// The file is in force as soon as it is saved, and on trial afterwards.
	h.write(shopNarrow)
	h.until("the file to be in force", h.narrow)
	out := h.mustCtl(0, "apply", "--confirm", "6s")
	if !strings.Contains(out, "On trial: "+h.file()) {
		t.Errorf("apply --confirm: %s", out)
	}
	h.mustCtl(2, "apply", "--confirm", "2s")
	h.mustCtl(2, "apply")
	h.wantBack(before)
	h.untilTrial(reconcile.TrialUnconfirmed)
	st, _ := h.status()
	if codes := codesOf(st); !strings.Contains(codes, "unconfirmed") || st.State != reconcile.Degraded || st.Config.Error == "" {
		t.Errorf("status: %+v", st)
	}
	if _, stderr, code := h.ctl("confirm"); code != 2 || !strings.Contains(stderr, "nothing awaits confirmation: the trial of "+h.file()+" ended at ") {
		t.Errorf("confirm = %d: %s", code, stderr)
	}
	// Neither a reload nor a restart puts it in force.
	h.mustCtl(0, "apply", "--unattended")
	p.stop()
	p = h.start()
	p.inForce()
	h.wantBack(before)
	h.untilTrial(reconcile.TrialUnconfirmed)

	// It can be tried again, and confirmed.
	h.mustCtl(0, "apply", "--confirm", "30s")
	if !h.narrow() {
		t.Errorf("apply --confirm has returned, and the file is not in force:\n%s", h.save())
	}
	h.mustCtl(0, "confirm")
	h.untilTrial("")
	p.stop()
	p = h.start()
	p.inForce()
	if !h.narrow() {
		t.Errorf("what was confirmed is not in force after a restart:\n%s", h.save())
	}

	// An unconfirmed file is in force when it is saved anew, or asked for.
	h.write(shopFrom)
	h.mustCtl(0, "apply", "--confirm", "1s")
	h.untilTrial(reconcile.TrialUnconfirmed)
	h.until("the kernel to go back", h.narrow)
	h.mustCtl(0, "apply")
	h.wantBack(before)
}

func codesOf(st reconcile.Status) string {
	var codes []string
	for _, r := range st.Reasons {
		codes = append(codes, string(r.Code))
	}
	return strings.Join(codes, " ")
}

func TestDaemonIsKilledDuringATrial(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lasts   string
		away    time.Duration
		flushed bool // the kernel is empty then, as after a reboot
	}{
		{"and back before the deadline", "8s", 0, false},
		{"and back after it", "3s", 3200 * time.Millisecond, false},
		{"by a reboot, before the deadline", "8s", 0, true},
		{"by a reboot, after it", "3s", 3200 * time.Millisecond, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			h.foreign()
			h.write(shopFrom)
			p := h.start()
			p.inForce()
			before := h.save()
			h.write(shopNarrow)
			h.mustCtl(0, "apply", "--confirm", tt.lasts)
			if !h.narrow() {
				t.Fatal("the file is not in force")
			}
			if err := p.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			p.wait()
			time.Sleep(tt.away)
			if tt.flushed {
				h.mustCtl(0, "remove")
			}
			p = h.start()
			p.inForce()
			if h.narrow() != (tt.away == 0) {
				t.Errorf("after %s away what is on trial is in force: %t", tt.away, h.narrow())
			}
			h.untilTrial(reconcile.TrialUnconfirmed)
			h.wantBack(before)
		})
	}
}

func TestCandidateOnTrial(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	p := h.start()
	p.inForce()
	before := h.save()
	candidate := filepath.Join(h.dir, "new.hcl")
	own, err := os.ReadFile(h.file())
	if err != nil {
		t.Fatal(err)
	}
	h.write(shopNarrow)
	if err := os.Rename(h.file(), candidate); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.file(), own, 0o640); err != nil {
		t.Fatal(err)
	}
	try := func(lasts string) {
		t.Helper()
		h.must(filepath.Join(h.bin, "agentctl"), "apply", "--confirm", lasts, "--config", candidate)
		if !h.narrow() {
			t.Fatalf("the candidate is not in force:\n%s", h.log())
		}
	}
	h.wantBack(before)
	try("3s")
	h.wantBack(before)
	h.untilTrial("")
	if text, err := os.ReadFile(h.file()); err != nil || !bytes.Equal(text, own) {
		t.Errorf("agent.hcl was changed by the trial: %s, %v", text, err)
	}
	try("30s")
	h.mustCtl(0, "confirm")
	h.untilTrial("")
	if st, err := os.Stat(h.file()); err != nil || st.Mode().Perm() != 0o640 {
		t.Errorf("agent.hcl: %v, %v", st, err)
	}
	p.stop()
	p = h.start()
	p.inForce()
	if !h.narrow() {
		t.Errorf("what was confirmed is not in force after a restart:\n%s", h.save())
	}
	h.mustCtl(0, "diff")
}

// TestDaemonTakesATrialOver: agentd is started while agentctl has one.
func TestDaemonTakesATrialOver(t *testing.T) {
	h := newHost(t)
	h.write(shopFrom)
	p := h.start()
	p.inForce()
	before := h.save()
	p.stop()
	h.write(shopNarrow)
	h.mustCtl(0, "apply", "--confirm", "10s")
	pid := h.waiter()
	p = h.start()
	p.inForce()
	h.noWaiter(pid)
	h.untilTrial(reconcile.TrialPending)
	if !h.narrow() {
		t.Error("what is on trial is not in force")
	}
	h.untilTrial(reconcile.TrialUnconfirmed)
	h.wantBack(before)
}
