package test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dockwall/agent/cli"
	"dockwall/agent/cli/ask"
	"dockwall/agent/config"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestReadme holds README to the policy language and to what the tool says of
// a slip in it.
func TestReadme(t *testing.T) {
	text := readme(t)
	blocks := regexp.MustCompile("(?s)```hcl\n(.*?)```").FindAllStringSubmatch(text, -1)
	if len(blocks) == 0 {
		t.Fatal("README shows no policy")
	}
	t.Chdir(t.TempDir())
	for _, b := range blocks {
		if said := load(t, b[1]); said != "" {
			t.Errorf("README's policy has diagnostics:\n%s\n%s", said, b[1])
		}
	}
	slip := strings.Replace(blocks[0][1], "addresses.office]", "addresses.ofice]", 1)
	if said := load(t, slip); said == "" || !strings.Contains(text, "```\n"+said+"```") {
		t.Errorf("README does not show what is said of a slip in its policy:\n%s", said)
	}
}

// load is what is said of a file with this text.
func load(t *testing.T, text string) string {
	t.Helper()
	if err := os.WriteFile("agent.hcl", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, diags := config.Load("agent.hcl")
	var said bytes.Buffer
	if err := diags.WriteText(&said, false); err != nil {
		t.Fatal(err)
	}
	return said.String()
}

// TestReadmeNames holds every verb, make target, test and file that README
// names to being there.
func TestReadmeNames(t *testing.T) {
	text := readme(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	each(t, text, `agentctl ([a-z]+)\b`, func(name []string) {
		if !verb(name[1]) {
			t.Errorf("README names agentctl %s, which there is not", name[1])
		}
	})
	each(t, text, "(?m)(?:^|`)make ([a-z]+)", func(name []string) {
		if !regexp.MustCompile(`(?m)^(\w+ )*` + name[1] + `( \w+)*:`).Match(makefile) {
			t.Errorf("README names make %s, which there is not", name[1])
		}
	})
	each(t, text, "`([a-z0-9/]+) (Test\\w+)`", func(name []string) {
		if !tested(t, name[1], name[2]) {
			t.Errorf("README names %s in %s, which there is not", name[2], name[1])
		}
	})
	each(t, text, "`((?:test|rules|netinfo|agent|packaging)/[\\w./-]*|[\\w.]+\\.example|\\.ci/run)`", func(name []string) {
		if _, err := os.Stat(filepath.Join(root, name[1])); err != nil {
			t.Errorf("README names %s: %v", name[1], err)
		}
	})
}

// each calls f for what the pattern finds, which has to be something.
func each(t *testing.T, text, pattern string, f func(name []string)) {
	t.Helper()
	found := regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		t.Errorf("README has nothing like %s", pattern)
	}
	for _, name := range found {
		f(name)
	}
}

// verb reports whether agentctl has it.
func verb(name string) bool {
	var out bytes.Buffer
	env := ask.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard,
		Getenv: func(string) string { return "" }, IsTerminal: func(io.Writer) bool { return false }}
	code := cli.Main(context.Background(), []string{name, "--help"}, env)
	return code == 0 && strings.Contains(out.String(), "agentctl "+name)
}

// tested reports whether a package has a test of that name.
func tested(t *testing.T, dir, name string) bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(text, []byte("func "+name+"(t *testing.T)"))
	})
}

// TestReadmeGuards shows that the guards tell what is there from what is not.
func TestReadmeGuards(t *testing.T) {
	if !verb("status") || verb("frobnicate") {
		t.Error("verb does not tell a verb from none")
	}
	if !tested(t, "test", "TestReadmeGuards") || tested(t, "test", "TestNothingAtAll") {
		t.Error("tested does not tell a test from none")
	}
}

// TestReadmeFigures holds README's guarantees to rows that are in the results, and
// to what stands in them: nothing got through.
func TestReadmeFigures(t *testing.T) {
	text := readme(t)
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	faults, scale := read("test/RESULTS-faults.md"), read("test/RESULTS.md")
	named := func(link string) []string {
		var all []string
		each(t, text, regexp.QuoteMeta(link)+`: ((?:\*[^*|]+\*(?:, )?)+)`, func(found []string) {
			for name := range strings.SplitSeq(strings.Trim(found[1], "*"), "*, *") {
				all = append(all, name)
			}
		})
		return all
	}
	for _, name := range named("[faults](test/RESULTS-faults.md)") {
		if !strings.Contains(faults, "\n| "+name) {
			t.Errorf("README's guarantees name the fault %q, which is not in the results", name)
		}
	}
	for _, name := range named("[scale](test/RESULTS.md)") {
		if !strings.Contains(scale, "\n### "+name+"\n") {
			t.Errorf("README's guarantees name the figure %q, which is not in the results", name)
		}
	}
	each(t, faults, `(?m)^\| .* \| (\d+) of \d+ \|`, func(row []string) {
		if row[1] != "0" {
			t.Errorf("something got through: %s", row[0])
		}
	})
}
