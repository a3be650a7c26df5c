package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestCommandLine(t *testing.T) {
	tests := []struct {
		args           []string
		code           int
		stdout, stderr string
	}{
		{[]string{"--version"}, 0, "agentd " + version + "\n", ""},
		{[]string{"--help"}, 0, "", "Usage of agentd:"},
		{[]string{"--nope"}, 2, "", "flag provided but not defined: -nope"},
		{[]string{"agent.hcl"}, 2, "", `agentd takes no argument: "agent.hcl"`},
	}
	for _, tt := range tests {
		var stdout, stderr strings.Builder
		if code := run(tt.args, &stdout, &stderr); code != tt.code || stdout.String() != tt.stdout || !strings.Contains(stderr.String(), tt.stderr) {
			t.Errorf("agentd %v = %d, stdout %q, stderr %q", tt.args, code, stdout.String(), stderr.String())
		}
	}
}

func TestPathsAreAbsolute(t *testing.T) {
	var stderr strings.Builder
	o, _, err := parse([]string{"--config", "agent.hcl"}, &stderr)
	if err != nil || !filepath.IsAbs(o.File) {
		t.Errorf("parse = %+v, %v", o, err)
	}
}
