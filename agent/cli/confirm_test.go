package cli_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/cli"
	"dockwall/agent/config"
	"dockwall/agent/lastgood"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/rules"
)

// tried is a machine whose kernel holds a policy, and whose file holds another.
type tried struct {
	*machine
	*command
	t            *testing.T
	file, socket string
	before       string
	// awake is since when the host runs.
	awake time.Time
}

func newTried(t *testing.T) *tried {
	m := newMachine()
	h := &tried{machine: m, command: newCommand(m), t: t, awake: time.Now()}
	h.env.Now = time.Now
	h.env.Host.Clock = trial.Clock{Now: time.Now, Up: func() time.Duration { return time.Since(h.awake) }, Boot: "boot"}
	h.file, h.socket = writeConfig(t, policyFrom("203.0.113.0/24"))
	h.ctl(0, "apply")
	h.before, m.others = m.save(), 0
	rewrite(t, h.file, policyFrom("198.51.100.0/24"), h.socket)
	return h
}

// ctl runs agentctl with the file.
func (h *tried) ctl(want int, args ...string) {
	h.t.Helper()
	h.mustRun(h.t, want, append(args, "--config", h.file)...)
}

func (h *tried) wantErr(part string) {
	h.t.Helper()
	if !strings.Contains(h.stderr.String(), part) {
		h.t.Errorf("stderr lacks %q:\n%s", part, h.stderr.String())
	}
}

// wait is the process that was started last, run until ctx or the trial ends.
func (h *tried) wait(ctx context.Context) int {
	last := h.waiting[len(h.waiting)-1]
	return cli.Main(ctx, []string{"await-confirmation", "--path", last[0], "--id", last[1]}, h.env)
}

// kept reports whether a trial is on record.
func (h *tried) kept() bool {
	_, err := os.Stat(trial.UndoPath(h.socket))
	return err == nil
}

// triedBubble runs the test in a time of its own.
func triedBubble(t *testing.T, f func(*testing.T, *tried)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, newTried(t)) })
}

func TestTrialGoesBackByItself(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		begun := time.Now()
		h.ctl(0, "apply", "--confirm", "60s", "--json")
		var r struct {
			Changed bool
			Trial   reconcile.Trial
		}
		if err := json.Unmarshal(h.stdout.Bytes(), &r); err != nil || !r.Changed || r.Trial.File != h.file || !r.Trial.Deadline.Equal(begun.Add(time.Minute)) {
			t.Errorf("apply --confirm --json = %s, %v", h.stdout.String(), err)
		}
		if !strings.Contains(h.save(), "198.51.100.0/24") || strings.Contains(h.save(), "203.0.113.0/24") || h.others != 0 {
			t.Fatalf("the file is not in force, or the other variant was cleaned (%d):\n%s", h.others, h.save())
		}
		if code := h.wait(t.Context()); code != 0 || time.Since(begun) != time.Minute {
			t.Errorf("the process that waits ended with %d after %s: %s", code, time.Since(begun), h.stderr.String())
		}
		if after := h.save(); after != h.before || h.kept() {
			t.Errorf("it did not go back (on record: %t):\n%s\nwant\n%s", h.kept(), after, h.before)
		}
		h.ctl(2, "confirm")
		h.wantErr("nothing awaits confirmation")
	})
}

func TestTrialIsConfirmed(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		h.ctl(0, "apply", "--confirm", "60s")
		if !strings.Contains(h.stdout.String(), "On trial: "+h.file+" goes back by itself at ") || !strings.Contains(h.stdout.String(), "in 1m0s, unless you run agentctl confirm") {
			t.Errorf("stdout:\n%s", h.stdout.String())
		}
		time.Sleep(59 * time.Second)
		h.ctl(0, "confirm", "--json")
		var r struct {
			FormatVersion int `json:"format_version"`
			Confirmed     bool
			By, File      string
		}
		if err := json.Unmarshal(h.stdout.Bytes(), &r); err != nil || r.FormatVersion != 1 || !r.Confirmed || r.By != "agentctl" || r.File != h.file {
			t.Errorf("confirm --json = %s, %v", h.stdout.String(), err)
		}
		time.Sleep(time.Hour)
		if code := h.wait(t.Context()); code != 0 || !strings.Contains(h.save(), "198.51.100.0/24") || h.others != 1 {
			t.Errorf("after the confirmation: the process ended with %d, the other variant was cleaned %d times:\n%s", code, h.others, h.save())
		}
		h.ctl(2, "confirm")
	})
}

// frames counts how often the table of the bridges is written.
type frames int

func (f *frames) Put(rules.Frames, bool) (bool, error) {
	*f++
	return false, nil
}

// The steps that lead back do not cover the table of the bridges, so it is written
// when the trial is confirmed.
func TestFramesWaitForTheConfirmation(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		var f frames
		h.env.Host.Frames = &f
		h.ctl(0, "apply", "--confirm", "60s")
		if f != 0 {
			t.Errorf("the table was written %d times on trial", f)
		}
		h.ctl(0, "confirm")
		if f != 1 {
			t.Errorf("the table was written %d times, want once", f)
		}
	})
}

func TestOneTrialAtATime(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		h.ctl(0, "apply", "--confirm", "60s")
		during := h.save()
		rewrite(t, h.file, policyFrom("192.0.2.0/25"), h.socket)
		// The process that waits is gone, by the record: another one is started.
		h.ctl(2, "apply", "--confirm", "60s")
		h.wantErr("is on trial until ")
		h.ctl(2, "apply")
		h.wantErr("keep it with agentctl confirm, or wait")
		if h.save() != during || len(h.waiting) != 3 {
			t.Errorf("%d processes were started; the kernel:\n%s", len(h.waiting), h.save())
		}
		h.ctl(2, "status")
		h.wantErr("goes back by itself at ")
		h.wantErr("agentd is not running")
	})
}

func TestKilledWaiterIsNoticed(t *testing.T) {
	for _, verb := range []struct {
		args []string
		code int
	}{{[]string{"status"}, 2}, {[]string{"confirm"}, 2}} {
		triedBubble(t, func(t *testing.T, h *tried) {
			h.ctl(0, "apply", "--confirm", "60s")
			time.Sleep(61 * time.Second)
			h.ctl(verb.code, verb.args...)
			if after := h.save(); after != h.before || h.kept() {
				t.Errorf("%v did not go back (on record: %t):\n%s\n%s", verb.args, h.kept(), h.stderr.String(), after)
			}
		})
	}
	triedBubble(t, func(t *testing.T, h *tried) {
		h.ctl(0, "apply", "--confirm", "60s")
		time.Sleep(61 * time.Second)
		h.ctl(0, "apply")
		h.wantErr("the way back had not been taken: it is taken now")
		if !strings.Contains(h.save(), "198.51.100.0/24") || h.kept() {
			t.Errorf("the next apply is not in force:\n%s", h.save())
		}
	})
}

func TestToldToEndTheWaiterGoesBack(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		h.ctl(0, "apply", "--confirm", "60s")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if code := h.wait(ctx); code != 0 || h.save() != h.before || h.kept() {
			t.Errorf("it ended with %d, on record: %t:\n%s", code, h.kept(), h.save())
		}
	})
}

func TestWaiterInsists(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		h.ctl(0, "apply", "--confirm", "60s")
		begun := h.runs
		h.meddle = func(run int) error {
			if run < begun+100 {
				return errors.New("busy")
			}
			return nil
		}
		if code := h.wait(t.Context()); code != 0 || h.save() != h.before {
			t.Errorf("it ended with %d:\n%s", code, h.save())
		}
	})
}

func TestNoTrialOfNothing(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		h.ctl(0, "apply")
		h.ctl(0, "apply", "--confirm", "60s")
		if !strings.Contains(h.stdout.String(), "there was nothing to change") || h.kept() || len(h.waiting) != 0 {
			t.Errorf("on record: %t, %d processes:\n%s", h.kept(), len(h.waiting), h.stdout.String())
		}
	})
}

func TestTrialThatCannotBegin(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		h.awaitErr = errors.New("no more processes")
		h.ctl(2, "apply", "--confirm", "60s")
		h.wantErr("nothing was changed, because no process would go back: no more processes")
		if h.save() != h.before || h.kept() {
			t.Errorf("on record: %t:\n%s", h.kept(), h.save())
		}
	})
	triedBubble(t, func(t *testing.T, h *tried) {
		// Every write is refused but those that lead back.
		begun := h.runs
		h.meddle = func(run int) error {
			if run <= begun+5 {
				return errors.New("busy")
			}
			return nil
		}
		h.ctl(2, "apply", "--confirm", "60s")
		h.wantErr("could not be made as " + h.file + " says: busy")
		if h.save() != h.before || h.kept() {
			t.Errorf("on record: %t:\n%s", h.kept(), h.save())
		}
	})
	triedBubble(t, func(t *testing.T, h *tried) {
		for _, args := range [][]string{{"--confirm", "0"}, {"--confirm", "60"}, {"--confirm", "-60s"}, {"--confirm", "10ms"}, {"--confirm", "48h"}, {"--confirm", "60s", "--unattended"}} {
			h.ctl(2, append([]string{"apply"}, args...)...)
		}
		if h.save() != h.before {
			t.Error("the kernel was changed")
		}
	})
}

func TestRemoveEndsATrial(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		h.ctl(0, "apply", "--confirm", "60s")
		h.ctl(0, "remove")
		none := h.save()
		if code := h.wait(t.Context()); code != 0 || h.kept() || h.save() != none || strings.Contains(none, "DOCKWALL") {
			t.Errorf("the process ended with %d, on record: %t:\n%s", code, h.kept(), h.save())
		}
	})
}

func TestSSHConnectionIsMinded(t *testing.T) {
	triedBubble(t, func(t *testing.T, h *tried) {
		rewrite(t, h.file, policyFrom("203.0.113.0/24")+"block \"them\" {\n  from = [\"192.0.2.7\"]\n}\n", h.socket)
		h.vars["SSH_CONNECTION"] = "192.0.2.7 50000 192.0.2.1 22"
		h.ctl(2, "apply")
		h.wantErr("cut the SSH connection that you are typing in: 192.0.2.7 may not reach 192.0.2.1:22 (block.them, agent.hcl:11); nothing was changed: try it with --confirm 60s, or say --force")
		if h.save() != h.before {
			t.Fatalf("the kernel was changed:\n%s", h.save())
		}
		h.ctl(0, "apply", "--confirm", "60s")
		h.wantErr("Warning: this ")
		h.wantErr("It goes back by itself after 1m0s unless it is confirmed.")
		h.ctl(0, "confirm")
		h.ctl(0, "apply") // nothing is left to be cut
		rewrite(t, h.file, policyFrom("198.51.100.0/24")+"block \"them\" {\n  from = [\"192.0.2.7\"]\n}\n", h.socket)
		h.ctl(2, "apply")
		h.ctl(0, "apply", "--force")
		h.wantErr("Warning: ")

		rewrite(t, h.file, policyFrom("203.0.113.0/24")+"block \"them\" {\n  from = [\"192.0.2.7\"]\n}\n", h.socket)
		for _, other := range []string{"192.0.2.8 50000 192.0.2.1 22", "", "nonsense", "fe80::1%eth0 1 fe80::2%eth0 22"} {
			h.vars["SSH_CONNECTION"] = other
			h.ctl(0, "apply")
			if s := h.stderr.String(); s != "" {
				t.Errorf("SSH_CONNECTION=%q: %s", other, s)
			}
			rewrite(t, h.file, policyFrom("198.51.100.0/24")+"block \"them\" {\n  from = [\"192.0.2.7\"]\n}\n", h.socket)
		}
	})
}

// TestUnattended: what was not confirmed does not come in force at boot.
func TestUnattended(t *testing.T) {
	h := newTried(t)
	state := t.TempDir()
	h.env.Host.State = state
	k := trial.Open(keeperOptions(h, state))
	rewrite(t, h.file, policyFrom("203.0.113.0/24"), h.socket)
	k.Read()
	rewrite(t, h.file, policyFrom("198.51.100.0/24"), h.socket)
	if st, err := k.Begin(time.Second, ""); err != nil || st == nil {
		t.Fatalf("Begin = %+v, %v", st, err)
	}
	h.awake = h.awake.Add(-time.Second) // it is over
	h.ctl(0, "apply", "--unattended")
	h.wantErr("was on trial and was not confirmed: the policy of before is taken")
	if after := h.save(); after != h.before {
		t.Errorf("in force is what was not confirmed:\n%s", after)
	}
	trial.Open(keeperOptions(h, state)) // it is refused, on record
	h.ctl(0, "apply", "--unattended")
	if after := h.save(); after != h.before {
		t.Errorf("in force is what was not confirmed:\n%s", after)
	}
	h.ctl(0, "apply")
	if after := h.save(); !strings.Contains(after, "198.51.100.0/24") {
		t.Errorf("somebody asked for the file, and it is not in force:\n%s", after)
	}
}

// TestUnattendedWithABadFile: at boot the last good policy stands in for it, as
// the daemon has it do; beside a daemon, whose matter it is, it is an error.
func TestUnattendedWithABadFile(t *testing.T) {
	h := newTried(t)
	h.env.Host.State = t.TempDir()
	doc, diags := config.Load(h.file)
	if len(diags) > 0 {
		t.Fatal(diags.Err())
	}
	rewrite(t, h.file, "published {\n", h.socket)
	h.ctl(2, "apply", "--unattended") // nothing was kept
	if err := lastgood.Save(filepath.Join(h.env.Host.State, "policy.json"), doc); err != nil {
		t.Fatal(err)
	}
	h.ctl(2, "apply")
	if after := h.save(); after != h.before {
		t.Errorf("a bad file changed the kernel:\n%s", after)
	}
	h.ctl(0, "apply", "--unattended")
	h.wantErr("has errors, and the last good policy is taken")
	if after := h.save(); !strings.Contains(after, "198.51.100.0/24") {
		t.Errorf("the last good policy is not in force:\n%s", after)
	}
	startDaemon(t, h.socket, func() reconcile.Status { return reconcile.Status{} }, h.snapshot, func() {})
	h.ctl(2, "apply", "--unattended")
}

func keeperOptions(h *tried, state string) trial.Options {
	return trial.Options{Log: hclog.NewNullLogger(), Clock: h.env.Host.Clock, File: h.file, Path: filepath.Join(state, "trial.json"),
		Keep: func(*config.Document) {}, Again: func(string) {}}
}
