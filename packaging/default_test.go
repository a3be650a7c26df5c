package packaging_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dockwall/agent/config"
	"dockwall/rules"
)

// load reads text as an agent.hcl.
func load(t *testing.T, text string) *config.Document {
	t.Helper()
	path := filepath.Join(t.TempDir(), "agent.hcl")
	write(t, path, text)
	doc, diags := config.Load(path)
	if len(diags) > 0 {
		t.Fatalf("%v", diags.Err())
	}
	doc.Settings.Path = ""
	return doc
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDefaultFile holds the installed file to meaning what no file at all
// would: a new installation has no policy yet.
func TestDefaultFile(t *testing.T) {
	text := read(t, "agent.hcl")
	got, want := load(t, text), load(t, "# nothing\n")
	if diff := cmp.Diff(want.Settings, got.Settings); diff != "" {
		t.Errorf("the installed agent.hcl sets something (-default +got):\n%s", diff)
	}
	if diff := cmp.Diff(want.Policy, got.Policy, cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(rules.Origin{})); diff != "" {
		t.Errorf("the installed agent.hcl has a policy (-default +got):\n%s", diff)
	}
}

// TestDefaultFileUncommented takes the comments off what the file proposes: it
// must be right as it stands, and its settings the defaults.
func TestDefaultFileUncommented(t *testing.T) {
	text := read(t, "agent.hcl")
	doc := load(t, regexp.MustCompile(`(?m)^#([a-z_]+( "[^"]*")? \{|\}|  [^ ])`).ReplaceAllString(text, "$1"))
	if len(doc.Policy.Published) != 1 || len(doc.Policy.Blocks) != 1 || doc.Policy.DockerAPI == nil {
		t.Errorf("the comments hide %d published and %d block blocks, want one of each",
			len(doc.Policy.Published), len(doc.Policy.Blocks))
	}
	if diff := cmp.Diff(load(t, "# nothing\n").Settings, doc.Settings); diff != "" {
		t.Errorf("the settings shown are not the defaults (-default +shown):\n%s", diff)
	}
}

// TestManualNamesEverything looks for each block and attribute of a file that
// has them all in agent.hcl(5).
func TestManualNamesEverything(t *testing.T) {
	page := strings.ReplaceAll(read(t, "man/agent.hcl.5"), `\-`, "-")
	full := read(t, "../agent/config/testdata/full/agent.hcl")
	found := regexp.MustCompile(`(?m)^\s*([a-z_]+)\s*(?:=|\{|"[^"]*"\s*\{)`).FindAllStringSubmatch(full, -1)
	if len(found) < 30 {
		t.Fatalf("only %d names were found in the full file", len(found))
	}
	for _, name := range found {
		documented := regexp.MustCompile(`(?m)^\.(SS|B|BR) (.*[ ,"])?` + name[1] + `\b`)
		if !documented.MatchString(page) {
			t.Errorf("agent.hcl(5) has nothing on %s", name[1])
		}
	}
}
