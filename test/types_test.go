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

// largeTypes are the types that are larger still, and how large. None may grow, and one
// that shrinks is to shrink here too.
var largeTypes = map[string]size{
	"agent/enforce Target":         {methods: 56},
	"agent/facts Collector":        {fields: 34},
	"agent/kernel Kernel":          {methods: 63},
	"netinfo/inventory Container":  {fields: 19},
	"netinfo/inventory Engine":     {fields: 20},
	"netinfo/inventory HostConfig": {fields: 28},
	"rules/compile builder":        {methods: 150},
	"rules/meaning comparison":     {fields: 22},
	"rules/meaning names":          {fields: 19},
	"rules/picture prober":         {methods: 59, fields: 19},
}

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
		s, known := sizes[name], largeTypes[name]
		switch {
		case s.methods > max(maxMethods, known.methods):
			t.Errorf("%s has %d methods, want at most %d: split it", name, s.methods, max(maxMethods, known.methods))
		case s.fields > max(maxFields, known.fields):
			t.Errorf("%s has %d fields, want at most %d: group them, or split it", name, s.fields, max(maxFields, known.fields))
		}
	}
	for name, known := range largeTypes {
		s := sizes[name]
		if s.methods < known.methods || s.fields < known.fields {
			t.Errorf("%s has %d methods and %d fields now: write that here, or nothing if it is small enough", name, s.methods, s.fields)
		}
	}
}
