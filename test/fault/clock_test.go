package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wall are the files that may make a time which follows the wall clock: one
// that another program has stamped, or that is none. What they make is shown to
// people and decides nothing.
var wall = map[string]string{
	"netinfo/docker/client.go":           "when the engine says that an event happened, for the metrics",
	"netinfo/hostnet/nflog_packet.go":    "when the kernel says that a packet was stopped, for the feed",
	"netinfo/hostnet/subscription.go":    "a deadline that has passed",
	"agent/control/denied.go":            "since when the feed is asked for",
	"agent/config/audit.go":              "whether a waiver's last day is a day",
	"agent/config/kept.go":               "since when the kept list was the file's, for status",
	"netinfo/docker/inventory_decode.go": "when the engine made an image or a container ended, for the audit",
}

// makers are what makes a time without Go's monotonic reading.
var makers = []string{"Unix", "UnixMilli", "UnixMicro", "Date", "Parse", "ParseInLocation"}

// show is what runs for a moment and shows times to people.
var show = filepath.Join("agent", "cli")

// TestNoWallClock is how a clock that jumps is met, where a test cannot make it
// jump for one process: every wait and every interval is measured between two
// values of time.Now, which Go measures by the monotonic clock (package time,
// "Monotonic Clocks"). It holds while no time gets in that has no such reading.
func TestNoWallClock(t *testing.T) {
	seen := map[string]bool{}
	for _, dir := range []string{"agent", "netinfo"} {
		err := filepath.WalkDir(filepath.Join("..", "..", dir), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "dockertest") {
				return err
			}
			name, err := filepath.Rel(filepath.Join("..", ".."), path)
			if err != nil {
				return err
			}
			if filepath.Dir(name) == show {
				return nil
			}
			for _, call := range wallCalls(t, path) {
				if wall[name] == "" {
					t.Errorf("%s makes a time with %s, which follows the wall clock: a jump of it would be taken for time that has passed", name, call)
				}
				seen[name] = true
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range wall {
		if !seen[name] {
			t.Errorf("%s makes no such time any more: this exception excuses nothing", name)
		}
	}
}

// wallCalls are the file's calls that make a time without a monotonic reading.
func wallCalls(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var calls []string
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		s, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := s.X.(*ast.Ident)
		if ok && of.Name == "time" && slices.Contains(makers, s.Sel.Name) {
			calls = append(calls, "time."+s.Sel.Name)
		}
		return true
	})
	return calls
}
