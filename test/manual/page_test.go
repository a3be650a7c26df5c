package manual

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// folder is where the manual is.
const folder = "../../packaging/doc"

// block is a fenced block of a page.
type block struct {
	language string
	text     string
	// line is where it begins.
	line int
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)\n(.*?)^```$")

// blocks reads a page's blocks.
func blocks(t *testing.T, path string) []block {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []block
	for _, m := range fenced.FindAllSubmatchIndex(text, -1) {
		all = append(all, block{string(text[m[2]:m[3]]), string(text[m[4]:m[5]]), 1 + strings.Count(string(text[:m[0]]), "\n")})
	}
	if n := strings.Count("\n"+string(text), "\n```"); n != 2*len(all) {
		t.Fatalf("%s: %d fences make no %d blocks", path, n, len(all))
	}
	return all
}

// command is a line of a block of sh.
type command struct {
	text string
	exit int
	line int
}

var comment = regexp.MustCompile(`\s+#(?: exit (\d))?.*$`)

// commands are the lines of a block, each with what it is to end with.
func (b block) commands() []command {
	var all []command
	n := b.line
	for text := range strings.Lines(b.text) {
		n++
		c := command{line: n, text: strings.TrimSpace(text)}
		if m := comment.FindStringSubmatch(c.text); m != nil {
			c.exit, _ = strconv.Atoi(m[1])
			c.text = strings.TrimSuffix(c.text, m[0])
		}
		if c.text != "" && !strings.HasPrefix(c.text, "#") {
			all = append(all, c)
		}
	}
	return all
}

// pages are the manual's, in the order of the names.
func pages(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(folder, "*.md"))
	if err != nil || len(all) < 6 {
		t.Fatalf("the manual has the pages %v, %v", all, err)
	}
	return all
}

// TestPages holds the pages to each other: what is linked is there, every page
// is in the list, and blocks are of a language that a test runs or a reader looks at.
func TestPages(t *testing.T) {
	index, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages(t) {
		name := filepath.Base(page)
		if name != "README.md" && !strings.Contains(string(index), "]("+name+")") {
			t.Errorf("%s is not in the list of pages", name)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)[^)]*\)`).FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(folder, link[1])); err != nil {
				t.Errorf("%s leads to %s: %v", name, link[1], err)
			}
		}
		for _, b := range blocks(t, page) {
			if b.language == "yaml" {
				yamlBlock(t, name, b)
				continue
			}
			if b.language != "hcl" && b.language != "sh" && b.language != "" {
				t.Errorf("%s:%d: no test runs a block of %q", name, b.line, b.language)
			}
			if b.language == "" && strings.Contains(b.text, "agentctl ") {
				t.Errorf("%s:%d: a block with commands is one of sh", name, b.line)
			}
		}
	}
}

// yamlBlock parses a block of another program's settings, which no test here runs.
func yamlBlock(t *testing.T, name string, b block) {
	t.Helper()
	var into map[string]any
	if err := yaml.Unmarshal([]byte(b.text), &into); err != nil || len(into) == 0 {
		t.Errorf("%s:%d: the block is no YAML: %v", name, b.line, err)
	}
}

// TestCommands shows how a block is read.
func TestCommands(t *testing.T) {
	b := block{"sh", "a --to :1   # exit 1: it differs\n\n# prose\nb 'x' # why\nc\n", 10}
	want := []command{{"a --to :1", 1, 11}, {"b 'x'", 0, 14}, {"c", 0, 15}}
	got := b.commands()
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%+v, want %+v", got[i], want[i])
		}
	}
}
