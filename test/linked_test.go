package test

import (
	"os/exec"
	"strings"
	"testing"
)

// parsers are modules that only agentctl links: agentd runs as root all day, and needs
// none of them.
func parsers() []string {
	return []string{"github.com/moby/buildkit", "github.com/compose-spec/compose-go", "github.com/google/go-containerregistry"}
}

// TestAgentdLinksNoParser compares the packages that the two programs are linked of.
func TestAgentdLinksNoParser(t *testing.T) {
	linked := func(program, module string) bool {
		cmd := exec.Command("go", "list", "-deps", "./agent/cmd/"+program)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("listing the packages of %s: %v", program, err)
		}
		for path := range strings.FieldsSeq(string(out)) {
			if under(path, module) {
				return true
			}
		}
		return false
	}
	for _, module := range parsers() {
		if linked("agentd", module) {
			t.Errorf("agentd is linked with %s", module)
		}
		if !linked("agentctl", module) {
			t.Errorf("agentctl is not linked with %s: this rule guards nothing", module)
		}
	}
}
