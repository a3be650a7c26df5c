package config

import (
	"testing"
)

// TestExample holds the file that ships to what it promises: valid as it is.
func TestExample(t *testing.T) {
	doc, diags := Load("../../agent.hcl.example")
	if len(diags) > 0 {
		t.Fatalf("agent.hcl.example has diagnostics:\n%s", textOf(t, diags))
	}
	if doc.Policy.DockerAPI != nil {
		t.Error("agent.hcl.example opens the Docker API")
	}
	if got, want := doc.Settings, defaultSettings(doc.Settings.Path); got != want {
		t.Errorf("agent.hcl.example shows settings that are not the defaults:\n got %+v\nwant %+v", got, want)
	}
	if len(doc.Policy.Published) == 0 || len(doc.Policy.Blocks) == 0 {
		t.Error("agent.hcl.example shows no policies")
	}
}
