package cli_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"dockwall/rules/plan"
)

// flusher is a machine on which somebody undoes each run.
type flusher struct {
	*machine
	flush plan.Step
}

// Run runs the plan and then the other's step.
func (f *flusher) Run(ctx context.Context, p plan.Plan) error {
	if err := f.machine.Run(ctx, p); err != nil {
		return err
	}
	return f.kernel.Run(f.flush)
}

func TestRemove(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, _ := writeConfig(t, policyFrom("203.0.113.0/24"))
	before := m.save()
	c.mustRun(t, 0, "remove", "--config", file)
	if c.stdout.String() != "There was nothing of dockwall's in the kernel.\n" {
		t.Errorf("stdout = %q", c.stdout.String())
	}
	c.mustRun(t, 0, "apply", "--config", file)
	c.mustRun(t, 0, "remove", "--config", file, "--json")
	var r struct {
		FormatVersion int `json:"format_version"`
		Changed       bool
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &r); err != nil || r.FormatVersion != 1 || !r.Changed {
		t.Errorf("remove --json = %s, %v", c.stdout.String(), err)
	}
	if after := m.save(); after != before {
		t.Errorf("remove left\n%s\nwant\n%s", after, before)
	}
}

func TestRemoveRefusesBesideTheDaemon(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	file, socket := writeConfig(t, policyFrom("203.0.113.0/24"))
	c.mustRun(t, 0, "apply", "--config", file)
	d := newAgentd(file)
	startDaemon(t, socket, d.Status, m.snapshot, d.Reload)
	before := m.save()
	c.mustRun(t, 2, "remove", "--config", file)
	if !strings.Contains(c.stderr.String(), "would put everything back") || m.save() != before {
		t.Errorf("stderr: %s", c.stderr.String())
	}
	c.mustRun(t, 0, "remove", "--config", file, "--force")
	if m.save() == before {
		t.Error("remove --force removed nothing")
	}
}
