package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dockwall/agent/audit"
	"dockwall/agent/reconcile"
	"dockwall/netinfo/inventory"
)

// audited is a host with two containers, of which one is privileged and keeps a secret
// in a variable.
func audited(c *command) *audit.Options {
	asked := new(audit.Options)
	c.env.Host.Audit = func(_ context.Context, o audit.Options) inventory.Inventory {
		*asked = o
		bad := inventory.Container{ID: "c1", Name: "bad"}
		bad.Privileged, bad.Variables = true, []inventory.Variable{inventory.NewSecrets().Variable("DB_PASSWORD=hunter2")}
		return inventory.Inventory{Now: o.Now.Unix(), Containers: inventory.Known([]inventory.Container{bad, {ID: "c2", Name: "good"}})}
	}
	return asked
}

func TestAuditExitCodes(t *testing.T) {
	c := newCommand(newMachine())
	audited(c)
	for _, tc := range []struct {
		code int
		args string
	}{
		{1, "--only container.privileged"},
		{0, "--only container.privileged --container good"},
		{1, "--only container.restart,container.privileged --container bad"},
		{0, "--only container.secret --fail-on high"},
		{1, "--only container.secret --fail-on medium"},
		{2, "--only kernel.seccomp"},
		{0, "--only kernel.rootless --fail-on medium"},
		{2, "--container nobody"},
		{2, "--only container.privilege"},
		{2, "--format yaml"},
		{2, "--fail-on never"},
		{0, "--explain container.privileged"},
		{2, "--explain container.privilegd"},
	} {
		c.mustRun(t, tc.code, append([]string{"audit", "--config", "/nowhere/agent.hcl"}, strings.Fields(tc.args)...)...)
	}
}

func TestAuditFormats(t *testing.T) {
	c := newCommand(newMachine())
	asked := audited(c)
	for format, want := range map[string]string{"text": "container.privileged  bad: HostConfig.Privileged is true", "json": `"format_version": 1`, "sarif": `"version": "2.1.0"`, "junit": "<testsuites"} {
		c.mustRun(t, 1, "audit", "--config", "/nowhere/agent.hcl", "--docker", "unix:///x.sock", "--format", format)
		if out := c.stdout.String(); !strings.Contains(out, want) || strings.Contains(out, "hunter2") {
			t.Errorf("%s is\n%s", format, out)
		}
	}
	if asked.Docker != "unix:///x.sock" || asked.Now.IsZero() {
		t.Errorf("asked for %+v", asked)
	}
	c.mustRun(t, 1, "audit", "--config", "/nowhere/agent.hcl", "--json")
	var r struct {
		Findings []struct{ ID, State, Severity string }
	}
	if err := json.Unmarshal(c.stdout.Bytes(), &r); err != nil || len(r.Findings) < 100 {
		t.Errorf("%d findings, %v", len(r.Findings), err)
	}
}

// between = "deny" of the operator's file counts where agentd enforces it, also for one
// network.
func TestAuditReadsThePolicy(t *testing.T) {
	m := newMachine()
	c := newCommand(m)
	c.env.Host.Audit = func(context.Context, audit.Options) inventory.Inventory {
		return inventory.Inventory{Networks: inventory.Known([]inventory.Network{{Name: "bridge", Driver: "bridge"}, {Name: "db", Driver: "bridge"}})}
	}
	state := reconcile.Enforcing
	const denied = "defaults {\n  between = \"deny\"\n}\n"
	file, socket := writeConfig(t, denied)
	c.mustRun(t, 2, "audit", "--config", file, "--only", "network.between-containers")
	startDaemon(t, socket, func() reconcile.Status { return reconcile.Status{State: state} }, m.snapshot, func() {})
	for text, code := range map[string]int{
		"# none\n": 1, denied: 0, "network \"db\" {\n  between = \"deny\"\n}\n": 1, denied + "network \"db\" {\n  between = \"allow\"\n}\n": 1,
	} {
		rewrite(t, file, text, socket)
		c.mustRun(t, code, "audit", "--config", file, "--only", "network.between-containers")
	}
	rewrite(t, file, denied, socket)
	state = reconcile.Degraded
	c.mustRun(t, 2, "audit", "--config", file, "--only", "network.between-containers")
}

// The audit block of the operator's file counts, and a flag beats it.
func TestAuditBlock(t *testing.T) {
	c := newCommand(newMachine())
	audited(c)
	file := filepath.Join(t.TempDir(), "agent.hcl")
	text := `containers "bad" {
  names = ["b*"]
}
audit {
  fail_on    = "high"
  registries = ["registry.example.com"]
  skip "container.privileged" {
    of     = [containers.bad]
    reason = "it builds images"
  }
  skip "container.secret" {
    reason = "of yesterday"
    until  = "2020-01-01"
  }
}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.mustRun(t, 0, "audit", "--config", file, "--only", "container.privileged")
	if out := c.stdout.String(); !strings.Contains(out, "waived") || !strings.Contains(out, "it builds images") || !strings.Contains(out, "agent.hcl:7") {
		t.Errorf("audit says\n%s", out)
	}
	c.mustRun(t, 0, "audit", "--config", file, "--only", "container.secret,audit.waiver-expired")
	c.mustRun(t, 1, "audit", "--config", file, "--only", "container.secret", "--fail-on", "medium")
	c.mustRun(t, 1, "audit", "--config", file, "--only", "audit.waiver-expired", "--fail-on", "medium")
	c.mustRun(t, 1, "audit", "--config", file, "--only", "container.registry", "--fail-on", "medium")
	c.mustRun(t, 0, "audit", "--config", file, "--only", "container.privileged", "--format", "sarif")
	if out := c.stdout.String(); !strings.Contains(out, `"justification": "it builds images"`) {
		t.Errorf("SARIF is\n%s", out)
	}
}
