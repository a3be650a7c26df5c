package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"dockwall/rules/finding"
)

// TestManualListsEachCode compares the manual's tables with the table of codes:
// each code has one row.
func TestManualListsEachCode(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "packaging/doc/troubleshooting.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]]++
	}
	for _, k := range finding.Kinds() {
		if n := rows[string(k.Code)]; n != 1 {
			t.Errorf("%d rows of troubleshooting.md are about %s, want one", n, k.Code)
		}
		delete(rows, string(k.Code))
	}
	for code := range rows {
		t.Errorf("troubleshooting.md has a row about %s, which is no code", code)
	}
}

// TestCodesStandInTheTable finds codes that production code writes out: they belong
// in rules/finding, which names each once.
func TestCodesStandInTheTable(t *testing.T) {
	codes := map[string]bool{}
	for _, k := range finding.Kinds() {
		// Words that are something else as well cannot be told apart.
		if strings.Contains(string(k.Code), "_") {
			codes[string(k.Code)] = true
		}
	}
	seen := 0
	for _, f := range sources(t) {
		// An answer of policy.Eval and a port in a picture can be "not_covered" too.
		if f.test || !under(f.dir, "agent", "rules") || under(f.dir, "rules/finding", "rules/policy", "rules/picture") {
			continue
		}
		seen++
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil && codes[s] {
					t.Errorf("%s writes out the code %s: use rules/finding's", f.path, s)
				}
			}
			return true
		})
	}
	if seen == 0 {
		t.Error("no file was looked at")
	}
}
