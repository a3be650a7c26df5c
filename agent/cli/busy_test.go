package cli_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/config"
	"dockwall/netinfo"
)

// busyMachine is a host whose engine has described one of its containers, and not c2.
func busyMachine(state string) *machine {
	m := newMachine()
	m.snapshot.Containers = append(m.snapshot.Containers, netinfo.Container{ID: "c2", Name: "slow", State: state, Unread: true})
	m.snapshot.Normalize()
	return m
}

// TestBusyEngineIsRefused has no verb that decides what is closed go on without a part
// of the containers.
func TestBusyEngineIsRefused(t *testing.T) {
	m := busyMachine("running")
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	fresh := filepath.Join(t.TempDir(), "agent.hcl")
	before := m.save()
	for _, args := range [][]string{
		{"init", "--config", fresh}, {"diff", "--config", file}, {"apply", "--config", file},
		{"explain", "--config", file, "--from", "203.0.113.5", "--to", "web:80"}, {"rules", "--config", file},
	} {
		c := newCommand(m)
		c.mustRun(t, 2, args...)
		if text := c.stderr.String(); !strings.Contains(text, "described only 1 of 2 containers: what slow publish is not known") {
			t.Errorf("%v: %s", args, text)
		}
	}
	if _, err := os.Stat(fresh); !errors.Is(err, os.ErrNotExist) || m.save() != before {
		t.Errorf("something was written: %v", err)
	}
	c := newCommand(m)
	c.mustRun(t, 0, "check", "--config", file)
	if text := c.stdout.String(); !strings.Contains(text, "what slow publish is not known") {
		t.Errorf("check does not say what it did not see:\n%s", text)
	}
}

// TestBusyEngineStops no unit, and no operator who insists.
func TestBusyEngineStops(t *testing.T) {
	m := busyMachine("running")
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	c := newCommand(m)
	c.mustRun(t, 0, "apply", "--unattended", "--config", file)
	if !strings.Contains(c.stderr.String(), "what slow publish is not known") {
		t.Errorf("the unit's log does not say so: %s", &c.stderr)
	}
	var text strings.Builder
	if err := m.snapshot.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	saved := filepath.Join(t.TempDir(), "snapshot.json")
	if err := os.WriteFile(saved, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	newCommand(m).mustRun(t, 0, "diff", "--config", file, "--snapshot", saved)
	// A container that is being started publishes nothing yet.
	newCommand(busyMachine("created")).mustRun(t, 1, "diff", "--config", file)
}

// TestProgress writes over one line on a terminal, and leaves nothing of it there;
// elsewhere it is a note.
func TestProgress(t *testing.T) {
	for _, terminal := range []bool{true, false} {
		m := newMachine()
		file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
		c := newCommand(m)
		c.env.IsTerminal = func(w io.Writer) bool { return terminal }
		c.env.Host.Facts = func(_ context.Context, _ config.Settings, _ time.Duration, progress func(int, int), _ hclog.Logger) (netinfo.Snapshot, error) {
			time.Sleep(1100 * time.Millisecond)
			progress(300, 1000)
			progress(999, 1000)
			return m.snapshot, nil
		}
		c.mustRun(t, 1, "diff", "--config", file)
		text := c.stderr.String()
		if !strings.Contains(text, "described 300 of 1000 containers") || strings.Contains(text, "999") != terminal || terminal && !strings.HasSuffix(text, " \r") {
			t.Errorf("terminal %v: %q", terminal, text)
		}
	}
}
