package test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// idiom is a phrase that readers of this project had to read twice; its pattern is
// matched against text in lower case.
type idiom struct {
	pattern *regexp.Regexp
	instead string
}

// idioms. They are spelt so that this file does not hold them itself.
func idioms() []idiom {
	word := func(pattern, instead string) idiom {
		return idiom{regexp.MustCompile(`\b(` + pattern + `)\b`), instead}
	}
	return []idiom{
		word(`tells?`+` (that|whether)`, `"reports whether", "means that" or "returns"`),
		word(`mean`+`while`, `"until then", "in the meantime", or the time it is about`),
		word(`an`+`ew`, `"again"`),
		word(`but`+` for`, `"except"`),
		word(`whoe`+`ver|some`+`body|no`+`body`, "the program, host, process or operator by its name"),
		word(`put`+` right`, `"repaired" or "corrected"`),
		word(`also`+` where`, `"even if"`),
		word(`gone`+` (about|without)`, "the verb of what is done"),
		{regexp.MustCompile(`; (nil|empty|zero|0|false|true):`), `"nil if", "empty if"`},
	}
}

// written reports whether the file is read by people as prose: the documentation,
// and comments and messages in Go files except tests.
func written(path string) bool {
	if strings.Contains(path, "testdata/") || strings.HasSuffix(path, "_test.go") {
		return false
	}
	switch filepath.Ext(path) {
	case ".go", ".md", ".1", ".5", ".8", ".service", ".example":
		return !strings.HasPrefix(filepath.Base(path), "RESULTS")
	}
	return false
}

// TestPlainEnglish keeps phrases out that name no actor, or that are no idiom of
// this field.
func TestPlainEnglish(t *testing.T) {
	read := 0
	for _, path := range files(t) {
		if !written(path) {
			continue
		}
		read++
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatalf("reading the repository: %v", err)
		}
		text = bytes.ToLower(text)
		for _, i := range idioms() {
			for _, at := range i.pattern.FindAllIndex(text, -1) {
				line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
				t.Errorf("%s:%d: %q: write %s", path, line, text[at[0]:at[1]], i.instead)
			}
		}
	}
	if read < 100 {
		t.Errorf("only %d files were read: the list of files is wrong", read)
	}
}

// TestIdioms shows which lines are refused.
func TestIdioms(t *testing.T) {
	for line, want := range map[string]bool{
		"// ok tells" + " whether it runs.":      true,
		"// Wait" + "; nil: it does not":         true,
		"// Port" + "; 0: not known":             true,
		"Mean" + "while the rules hold.":         true,
		"// ok reports whether it runs.":         false,
		"// Wait is nil if there is no timeout.": false,
		"// a renewed certificate":               false,
	} {
		got := false
		for _, i := range idioms() {
			got = got || i.pattern.MatchString(strings.ToLower(line))
		}
		if got != want {
			t.Errorf("%q is refused: %v, want %v", line, got, want)
		}
	}
}
