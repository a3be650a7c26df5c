package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"testing"
)

// call is a name of another package that a file uses.
type call struct{ pkg, name string }

// calls are the names of other packages that the file uses, such as os.Rename.
func (f source) calls(t *testing.T) []call {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, 0)
	if err != nil {
		t.Fatalf("reading %s: %v", f.path, err)
	}
	var all []call
	ast.Inspect(parsed, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				all = append(all, call{x.Name, s.Sel.Name})
			}
		}
		return true
	})
	return all
}

// TestFilesAreReplacedDurably checks that files get their names in one package,
// which syncs the file and its folder: a rename without that may lose the old
// file and the new one in a power cut.
func TestFilesAreReplacedDurably(t *testing.T) {
	renames := []call{{"os", "Rename"}, {"os", "Link"}, {"os", "CreateTemp"}, {"unix", "Rename"}, {"unix", "Renameat2"}, {"syscall", "Rename"}}
	used := false
	for _, f := range sources(t) {
		if f.test || !under(f.dir, "agent", "netinfo", "rules") {
			continue
		}
		for _, c := range f.calls(t) {
			switch {
			case !slices.Contains(renames, c):
			case under(f.dir, "agent/durable"):
				used = true
			default:
				t.Errorf("%s uses %s.%s; files are replaced by agent/durable", f.path, c.pkg, c.name)
			}
		}
	}
	if !used {
		t.Error("agent/durable renames nothing: this test guards nothing")
	}
}
