package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"testing"
)

const (
	// maxMethods and maxFields are what a reader can keep in mind of one type. A type
	// that has more does several jobs.
	maxMethods = 45
	maxFields  = 18
)

// size is how many methods and fields a type has.
type size struct{ methods, fields int }

// typeSizes counts the methods and fields of every type outside tests, by folder and
// name. An embedded type counts as one field, and not with its methods.
func typeSizes(t *testing.T) map[string]size {
	t.Helper()
	sizes := map[string]size{}
	for _, f := range sources(t) {
		if f.test || under(f.dir, "test", "rules/ruletest", "rules/policy/policytest", "netinfo/docker/dockertest") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, 0)
		if err != nil {
			t.Fatalf("reading %s: %v", f.path, err)
		}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv != nil {
					name := f.dir + " " + receiver(d.Recv.List[0].Type)
					s := sizes[name]
					s.methods++
					sizes[name] = s
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					ts, ok := spec.(*ast.TypeSpec)
					if !ok {
						continue
					}
					if st, ok := ts.Type.(*ast.StructType); ok {
						name := f.dir + " " + ts.Name.Name
						s := sizes[name]
						s.fields += fieldsOf(st)
						sizes[name] = s
					}
				}
			}
		}
	}
	return sizes
}

func fieldsOf(st *ast.StructType) int {
	n := 0
	for _, f := range st.Fields.List {
		n += max(1, len(f.Names))
	}
	return n
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.StarExpr:
		return receiver(e.X)
	case *ast.IndexExpr:
		return receiver(e.X)
	case *ast.IndexListExpr:
		return receiver(e.X)
	case *ast.Ident:
		return e.Name
	}
	return ""
}

// TestTypesAreSmall keeps a type from taking over the jobs of several.
func TestTypesAreSmall(t *testing.T) {
	sizes := typeSizes(t)
	if len(sizes) < 100 {
		t.Fatalf("%d types were found: this test guards nothing", len(sizes))
	}
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		switch s := sizes[name]; {
		case s.methods > maxMethods:
			t.Errorf("%s has %d methods, want at most %d: split it", name, s.methods, maxMethods)
		case s.fields > maxFields:
			t.Errorf("%s has %d fields, want at most %d: group them, or split it", name, s.fields, maxFields)
		}
	}
}
