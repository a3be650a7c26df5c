package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// source writes a file to judge.
func source(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// placed is what JSON says of a finding in a file.
type placed struct {
	ID, State string
	Place     struct {
		File string
		Line int
	}
}

func (c *command) placed(t *testing.T) []placed {
	t.Helper()
	var r struct{ Findings []placed }
	if err := json.Unmarshal(c.stdout.Bytes(), &r); err != nil {
		t.Fatalf("%v in\n%s", err, c.stdout.String())
	}
	return r.Findings
}

func TestAuditDockerfile(t *testing.T) {
	c := newCommand(newMachine())
	asked := audited(c)
	bad := source(t, "Dockerfile", "FROM debian:12\nENV DB_PASSWORD=hunter2\nUSER root\n")
	good := source(t, "Dockerfile.good", "FROM debian:12\nUSER app\n")
	broken := source(t, "Dockerfile.broken", "FROM debian:12\nhunter2 x\n")
	none := []string{"audit", "--config", "/nowhere/agent.hcl"}
	for _, tc := range []struct {
		code int
		args []string
	}{
		{1, []string{"--dockerfile", bad}},
		{0, []string{"--dockerfile", good}},
		{1, []string{"--dockerfile", good, "--fail-on", "low"}},
		{1, []string{"--dockerfile", good, "--dockerfile", bad}},
		{2, []string{"--dockerfile", broken}},
		{2, []string{"--dockerfile", bad + ".none"}},
		{2, []string{"--dockerfile", filepath.Dir(bad)}},
		{2, []string{"--dockerfile", bad, "--container", "web"}},
		{0, []string{"--dockerfile", bad, "--only", "container.privileged"}},
	} {
		c.mustRun(t, tc.code, append(none, tc.args...)...)
		if strings.Contains(c.stdout.String()+c.stderr.String(), "hunter2") {
			t.Errorf("%v prints a secret:\n%s%s", tc.args, c.stdout.String(), c.stderr.String())
		}
	}
	c.mustRun(t, 1, append(none, "--dockerfile", bad)...)
	if out := c.stdout.String(); !strings.Contains(out, "image.secret  "+bad+":2: ENV DB_PASSWORD") || !strings.Contains(out, bad+":3: USER") {
		t.Errorf("the text is\n%s", out)
	}
	c.mustRun(t, 1, append(none, "--dockerfile", bad, "--json")...)
	found := map[string]int{}
	for _, f := range c.placed(t) {
		if f.State == "fail" && f.Place.File == bad {
			found[f.ID] = f.Place.Line
		}
	}
	if found["image.secret"] != 2 || found["image.root"] != 3 || found["build.base-digest"] != 1 {
		t.Errorf("found %v", found)
	}
	if !asked.Now.IsZero() {
		t.Error("a file was judged, and the host was read")
	}
}

func TestAuditCompose(t *testing.T) {
	c := newCommand(newMachine())
	bad := source(t, "compose.yaml", "services:\n  web:\n    image: nginx:1\n    user: app\n    privileged: true\n    environment: {PW_SECRET: hunter2}\n")
	broken := source(t, "compose.yaml", "services:\n  web: [hunter2\n")
	none := []string{"audit", "--config", "/nowhere/agent.hcl"}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		code int
		args []string
	}{
		{1, []string{"--compose", bad}},
		{0, []string{"--compose", bad, "--only", "container.host-pid"}},
		{2, []string{"--compose", broken}},
		{2, []string{"--compose", pipe}},
		{2, []string{"--compose", bad + ".none"}},
	} {
		c.mustRun(t, tc.code, append(none, tc.args...)...)
		if strings.Contains(c.stdout.String()+c.stderr.String(), "hunter2") {
			t.Errorf("%v prints a secret:\n%s%s", tc.args, c.stdout.String(), c.stderr.String())
		}
	}
	c.mustRun(t, 1, append(none, "--compose", bad, "--json")...)
	found := map[string]int{}
	for _, f := range c.placed(t) {
		if f.State == "fail" {
			found[f.ID] = f.Place.Line
		}
	}
	if found["container.privileged"] != 5 || found["container.secret"] != 6 || found["container.memory"] != 2 {
		t.Errorf("found %v", found)
	}
}

// The audit block counts for files as well.
func TestAuditDockerfileByTheFile(t *testing.T) {
	c := newCommand(newMachine())
	bad := source(t, "Dockerfile", "FROM debian:12\nUSER 1\n")
	file := source(t, "agent.hcl", "audit {\n  registries = [\"registry.example.com\"]\n}\n")
	c.mustRun(t, 1, "audit", "--config", file, "--dockerfile", bad)
	file = source(t, "agent.hcl", "audit {\n  registries = [\"registry.example.com\"]\n  skip \"build.base-registry\" {\n    reason = \"x\"\n  }\n}\n")
	c.mustRun(t, 0, "audit", "--config", file, "--dockerfile", bad)
	if !strings.Contains(c.stdout.String(), "waived") {
		t.Errorf("it says\n%s", c.stdout.String())
	}
}
