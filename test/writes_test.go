package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
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

// writingVerbs begin the names of functions that change something.
var writingVerbs = []string{"Add", "Append", "Change", "Clear", "Close", "Create", "Cut", "Delete", "Destroy", "Disable", "Divert", "Drop", "Enable",
	"Flush", "Freeze", "Insert", "Kill", "Make", "Move", "Put", "Remove", "Rename", "Replace", "Reset", "Send", "Set", "Switch", "Update", "Write"}

// writingCall reports whether a package that only reads never uses the name: it makes or
// changes files, or belongs to netlink requests with which the kernel makes, replaces or
// deletes something.
func writingCall(c call) bool {
	switch c.pkg {
	case "os":
		return slices.Contains([]string{"WriteFile", "Create", "CreateTemp", "Remove", "RemoveAll", "Rename", "Mkdir", "MkdirAll", "Truncate", "Chmod", "Chown",
			"O_WRONLY", "O_RDWR", "O_CREATE", "O_APPEND", "O_TRUNC"}, c.name)
	case "unix":
		// Not the message types NFT_MSG_NEW…, which notices have too.
		return slices.Contains([]string{"NLM_F_CREATE", "NLM_F_EXCL", "NLM_F_REPLACE", "NLM_F_NONREC", "Kill", "Mount", "Unmount", "Unlink", "Mkdir"}, c.name)
	case "netlink":
		if slices.Contains([]string{"Create", "Excl", "Replace", "Append"}, c.name) {
			return true
		}
		for _, noun := range []string{"Link", "Addr", "Route", "Rule", "Neigh", "Conntrack", "Socket", "Bridge", "Qdisc", "Filter"} {
			if rest, ok := strings.CutPrefix(c.name, noun); ok {
				return slices.ContainsFunc([]string{"Add", "Append", "Change", "Del", "Destroy", "Modify", "Replace", "Set", "Update", "Flush"},
					func(verb string) bool { return strings.HasPrefix(rest, verb) })
			}
		}
	}
	return false
}

// TestFactsOnlyRead checks that netinfo/hostnet changes nothing: no exported function or
// method says so by its verb, and none uses what writes. A fact that changes the host
// while it is learned would make diff, check and audit write too.
func TestFactsOnlyRead(t *testing.T) {
	seen := 0
	for _, f := range sources(t) {
		if f.test || !under(f.dir, "netinfo/hostnet") {
			continue
		}
		seen++
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, 0)
		if err != nil {
			t.Fatalf("reading %s: %v", f.path, err)
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && slices.ContainsFunc(writingVerbs, func(verb string) bool { return beginsWord(fn.Name.Name, verb) }) {
				t.Errorf("%s: %s has the name of something that changes the host; agent/kernel and agent/conntrack do that", f.path, fn.Name.Name)
			}
		}
		for _, c := range f.calls(t) {
			if writingCall(c) {
				t.Errorf("%s uses %s.%s: netinfo/hostnet only reads", f.path, c.pkg, c.name)
			}
		}
	}
	if seen == 0 {
		t.Error("there is nothing in netinfo/hostnet: this rule guards nothing")
	}
	// The same test finds the packages that do write.
	writes := false
	for _, f := range sources(t) {
		writes = writes || !f.test && under(f.dir, "agent/conntrack") && slices.ContainsFunc(f.calls(t), writingCall)
	}
	if !writes {
		t.Error("agent/conntrack uses nothing that writes: this test would find nothing")
	}
}

// beginsWord reports whether the name begins with the word, as DeleteFlow does with
// Delete, and Settings does not with Set.
func beginsWord(name, word string) bool {
	rest, ok := strings.CutPrefix(name, word)
	return ok && (rest == "" || rest[0] < 'a' || rest[0] > 'z')
}
