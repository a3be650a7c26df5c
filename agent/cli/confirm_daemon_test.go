package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"dockwall/agent/control"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
)

// trialDaemon is agentd with a trial, as far as the socket shows it.
func trialDaemon(d *agentd) []control.Route {
	change := func(t *reconcile.Trial) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.status.Trial = t
		d.reload(&d.status)
	}
	return []control.Route{
		control.TrialRoute(func(a control.Trying) (*reconcile.Trial, error) {
			if d.Status().Trial != nil {
				return nil, errors.New("another file is on trial")
			}
			t := &reconcile.Trial{State: reconcile.TrialPending, File: a.Candidate, Deadline: time.Now().Add(a.Lasts)}
			if t.File == "" {
				t.File = d.Status().Config.Path
			}
			change(t)
			return t, nil
		}),
		control.ConfirmRoute(func() (*reconcile.Trial, error) {
			t := d.Status().Trial
			if t == nil || t.State != reconcile.TrialPending {
				return nil, trial.ErrNone
			}
			change(nil)
			return t, nil
		}),
		control.AcceptRoute(func() error { change(nil); return nil }),
	}
}

func TestDaemonHoldsTheTrial(t *testing.T) {
	h := newTried(t)
	d := newAgentd(h.file)
	startDaemon(t, h.socket, d.Status, h.snapshot, d.Reload, trialDaemon(d)...)
	h.ctl(2, "confirm")
	h.wantErr("agentd refused: nothing awaits confirmation")
	h.ctl(0, "apply", "--confirm", "60s")
	if len(h.waiting) != 0 || h.save() != h.before || !strings.Contains(h.stdout.String(), "On trial: "+h.file) {
		t.Errorf("%d processes of our own:\n%s", len(h.waiting), h.stdout.String())
	}
	h.ctl(2, "apply", "--confirm", "60s")
	h.wantErr("agentd refused: another file is on trial")
	h.ctl(0, "status", "--json")
	var st struct{ Trial reconcile.Trial }
	if err := json.Unmarshal(h.stdout.Bytes(), &st); err != nil || st.Trial.State != "pending" || st.Trial.File != h.file {
		t.Errorf("status --json: %s, %v", h.stdout.String(), err)
	}
	h.ctl(0, "status")
	if !strings.Contains(h.stdout.String(), "on trial: "+h.file+" goes back by itself at ") {
		t.Errorf("status:\n%s", h.stdout.String())
	}
	h.ctl(0, "confirm")
	if !strings.Contains(h.stdout.String(), "Confirmed: "+h.file+" stays in force.") || d.Status().Trial != nil {
		t.Errorf("confirm:\n%s", h.stdout.String())
	}
	// A file that was not confirmed comes in force where somebody asks for it.
	for _, tt := range []struct {
		args     []string
		accepted bool
	}{{[]string{"apply", "--unattended"}, false}, {[]string{"apply"}, true}} {
		d.mu.Lock()
		d.status.Trial = &reconcile.Trial{State: reconcile.TrialUnconfirmed, File: h.file}
		d.mu.Unlock()
		h.ctl(0, tt.args...)
		if accepted := d.Status().Trial == nil; accepted != tt.accepted {
			t.Errorf("%v: accepted: %t", tt.args, accepted)
		}
	}
}

func TestCandidateIsInstalledWhenConfirmed(t *testing.T) {
	h := newTried(t)
	d := newAgentd(h.file)
	startDaemon(t, h.socket, d.Status, h.snapshot, d.Reload, trialDaemon(d)...)
	candidate := filepath.Join(filepath.Dir(h.file), "new.hcl")
	rewrite(t, candidate, policyFrom("192.0.2.0/25"), h.socket)
	want, err := os.ReadFile(candidate)
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	h.mustRun(t, 2, "apply", "--config", candidate)
	h.wantErr("try this one with --confirm")
	h.mustRun(t, 0, "apply", "--config", candidate, "--confirm", "60s")
	if now, err := os.ReadFile(h.file); err != nil || string(now) != string(old) {
		t.Errorf("the agent's file was changed by the trial: %s, %v", now, err)
	}
	h.ctl(0, "confirm")
	for path, text := range map[string][]byte{h.file: want, h.file + ".old": old} {
		if now, err := os.ReadFile(path); err != nil || string(now) != string(text) {
			t.Errorf("%s holds, %v:\n%s\nwant:\n%s", path, err, now, text)
		}
	}
	if _, err := os.Stat(candidate); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the candidate is still there: %v", err)
	}

	elsewhere := filepath.Join(t.TempDir(), "new.hcl")
	rewrite(t, elsewhere, policyFrom("192.0.2.0/25"), h.socket)
	h.mustRun(t, 2, "apply", "--config", elsewhere, "--confirm", "60s")
	h.wantErr("has to lie beside it (cp ")
}

// TestConfirmTooLateInstallsNothing: the daemon went back a moment before.
func TestConfirmTooLateInstallsNothing(t *testing.T) {
	h := newTried(t)
	d := newAgentd(h.file)
	candidate := filepath.Join(filepath.Dir(h.file), "new.hcl")
	rewrite(t, candidate, policyFrom("192.0.2.0/25"), h.socket)
	d.status.Trial = &reconcile.Trial{State: reconcile.TrialPending, File: candidate, Deadline: time.Now()}
	startDaemon(t, h.socket, d.Status, h.snapshot, d.Reload,
		control.ConfirmRoute(func() (*reconcile.Trial, error) { return nil, trial.ErrNone }))
	old, err := os.ReadFile(h.file)
	if err != nil {
		t.Fatal(err)
	}
	h.ctl(2, "confirm")
	h.wantErr("nothing awaits confirmation")
	if now, err := os.ReadFile(h.file); err != nil || string(now) != string(old) {
		t.Errorf("the agent's file holds what was not confirmed: %s, %v", now, err)
	}
	if _, err := os.Stat(candidate); err != nil {
		t.Errorf("the candidate is gone: %v", err)
	}
}
