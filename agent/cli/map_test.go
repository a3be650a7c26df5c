package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestMapOfTheReadme holds the picture that README shows to what the tool draws
// of the policy that README names and the host that the demo builds. To draw it
// anew:
//
//	agentctl map --config agent.hcl.example --snapshot agent/cli/testdata/map/host.json --output packaging/doc/map.svg
func TestMapOfTheReadme(t *testing.T) {
	t.Chdir(filepath.Join("..", ".."))
	want, err := os.ReadFile(filepath.Join("packaging", "doc", "map.svg"))
	if err != nil {
		t.Fatal(err)
	}
	c := newCommand(newMachine())
	c.mustRun(t, 0, "map", "--config", "agent.hcl.example", "--snapshot", filepath.Join("agent", "cli", "testdata", "map", "host.json"))
	if got := c.stdout.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("packaging/doc/map.svg is not what is drawn now (%d bytes, not %d): draw it anew as the comment says", len(want), len(got))
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readme, []byte("(packaging/doc/map.svg)")) {
		t.Error("README does not show packaging/doc/map.svg")
	}
}
