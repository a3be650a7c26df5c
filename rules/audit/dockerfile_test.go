package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"dockwall/netinfo/dockerfile"
	"dockwall/netinfo/inventory"
)

// Each check of Dockerfiles has a fixture of its name in testdata/dockerfile: an archive
// of cases. The name of a case is the state that is wanted and what the case is about;
// its text is a Dockerfile, and lines "> line: state: detail" that say what was found.
func TestDockerfiles(t *testing.T) {
	for _, c := range Checks() {
		if c.dockerfile == nil {
			continue
		}
		t.Run(c.ID, func(t *testing.T) {
			path := filepath.Join("testdata", "dockerfile", c.ID+".txtar")
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			states := map[State]bool{}
			for i := range a.Files {
				states[runDockerfile(t, c, &a.Files[i])] = true
			}
			if !states[Pass] || !states[Fail] {
				t.Errorf("%s has no case that passes or none that fails", path)
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func runDockerfile(t *testing.T, c Check, f *txtar.File) State {
	t.Helper()
	text, _, _ := strings.Cut(string(f.Data), "\n> ")
	text += "\n"
	for word, with := range map[string]string{"\\r": "\r", "\\uFEFF": "\uFEFF"} {
		text = strings.ReplaceAll(text, "<"+word+">", with)
	}
	s := Settings{Only: []string{c.ID}}
	if strings.Contains(f.Name, "(registries)") {
		s.Registries = []string{"registry.example.com"}
	}
	r := JudgeFiles(Sources{Dockerfiles: []inventory.Dockerfile{dockerfile.Parse("Dockerfile", []byte(text))}}, s)
	want, _, _ := strings.Cut(f.Name, " ")
	got := State("")
	var details strings.Builder
	for _, k := range r.Findings {
		if got == "" {
			got = k.State // sorted: the worst
		}
		fmt.Fprintf(&details, "> %d: %s: %s\n", k.Place.Line, k.State, k.Detail)
	}
	if string(got) != want {
		t.Errorf("%s: the state is %q\n%s", f.Name, got, details.String())
	}
	head, _, _ := strings.Cut(string(f.Data), "\n> ")
	whole := strings.TrimRight(head, "\n") + "\n" + details.String()
	if *update {
		f.Data = []byte(whole)
	} else if d := cmp.Diff(whole, string(f.Data)); d != "" {
		t.Errorf("%s: -now +fixture:\n%s", f.Name, d)
	}
	return got
}

// A fixture without its check is a check that was forgotten.
func TestDockerfilesHaveChecks(t *testing.T) {
	files, err := filepath.Glob("testdata/dockerfile/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if c, ok := Find(strings.TrimSuffix(filepath.Base(f), ".txtar")); !ok || c.dockerfile == nil {
			t.Errorf("%s belongs to no check of Dockerfiles", f)
		}
	}
}
