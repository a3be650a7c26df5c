package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"dockwall/netinfo/composefile"
	"dockwall/netinfo/inventory"
)

// Each archive of testdata/compose is a folder with a compose.yaml, and the file want:
// a line for each check that does not pass, by service, and which pass.
func TestCompose(t *testing.T) {
	paths, err := filepath.Glob("testdata/compose/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			a, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := judgeCompose(t, a)
			i := slices.IndexFunc(a.Files, func(f txtar.File) bool { return f.Name == "want" })
			if i < 0 {
				a.Files, i = append(a.Files, txtar.File{Name: "want"}), len(a.Files)
			}
			want := string(a.Files[i].Data)
			a.Files[i].Data = []byte(got)
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is in\n%s", got)
			}
			if *update {
				if err := os.WriteFile(path, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func judgeCompose(t *testing.T, a *txtar.Archive) string {
	t.Helper()
	path, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	defer t.Chdir(filepath.Dir(path))
	t.Chdir(t.TempDir())
	for _, f := range a.Files {
		if f.Name == "want" {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := composefile.Read(t.Context(), "compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := JudgeFiles(Sources{Composes: []inventory.Compose{d}}, Settings{Registries: []string{"registry.example.com"}})
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return strings.Compare(a.Subject.Name, b.Subject.Name) })
	var b strings.Builder
	if d.Unread != "" {
		return fmt.Sprintf("%d checks are unknown, line %d: %s\n", r.Count(Unknown, "low"), d.Line, d.Unread)
	}
	passed := map[string][]string{}
	for _, f := range r.Findings {
		id := strings.TrimPrefix(f.ID, "container.")
		switch f.State {
		case Pass:
			passed[f.Subject.Name] = append(passed[f.Subject.Name], id)
		case NotApplicable:
		default:
			fmt.Fprintf(&b, "%s %s %s %s: %s\n", f.Subject.Name, f.State, id, f.Place, f.Detail)
		}
	}
	for _, s := range d.Services {
		slices.Sort(passed[s.Name])
		fmt.Fprintf(&b, "%s pass %s\n", s.Name, strings.Join(passed[s.Name], " "))
	}
	return b.String()
}
