package test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// keeper says that some imports are for some directories only.
type keeper struct {
	imports []string // import paths; a path stands for what is below it too
	keepers []string // directories, with what is below them
	tests   bool     // whether test files may as well
	why     string
}

// keepers: what only a few may import.
var keepers = []keeper{
	{[]string{"github.com/docker/docker", "github.com/containerd/errdefs"}, []string{"netinfo/docker"}, false,
		"Docker's client is to be replaced by its successor in one place"},
	{[]string{"github.com/hashicorp/hcl", "github.com/zclconf/go-cty", "github.com/agext/levenshtein"}, []string{"agent/config"}, false,
		"the language of agent.hcl ends at agent/config: everybody else works on policy.Policy"},
	{[]string{"github.com/fsnotify/fsnotify"}, []string{"agent/config"}, false,
		"how files are watched is the matter of config.Watch"},
	{[]string{"github.com/vishvananda/netlink", "github.com/mdlayher/netlink"}, []string{"netinfo/hostnet", "agent/kernel", "agent/conntrack", "agent/cutter", "test/nstest"}, true,
		"the kernel is read by netinfo/hostnet and changed by agent/kernel (rules) and agent/conntrack (connections); agent/cutter asks for routes"},
	{[]string{"github.com/google/nftables"}, []string{"agent/kernel"}, false,
		"only agent/kernel writes nftables' own tables: the latch, the barrier and the table of the bridges"},
	{[]string{"github.com/moby/buildkit"}, []string{"netinfo/dockerfile"}, false,
		"BuildKit's parser ends where the Dockerfile's facts begin"},
	{[]string{"github.com/compose-spec/compose-go", "github.com/sirupsen/logrus"}, []string{"netinfo/composefile"}, false,
		"compose-go ends where the facts of a Compose file begin"},
	{[]string{"github.com/google/go-containerregistry", "github.com/klauspost/compress"}, []string{"netinfo/imagefile"}, true,
		"the formats of images end where the facts of an image begin"},
	{[]string{"dockwall/netinfo/dockerfile", "dockwall/netinfo/composefile", "dockwall/netinfo/imagefile"}, []string{"agent/cli", "rules/audit"}, true,
		"the parsers of files are agentctl's: agentd runs as root all day, and needs none of them"},
	{[]string{"os/exec"}, []string{"agent/kernel", "agent/tls/systemctl", "packaging", "test"}, true,
		"programs are run by agent/kernel, which knows how to retry and to report; systemctl and dockerd --validate by agent/tls/systemctl"},
	{[]string{"github.com/coreos/go-iptables"}, []string{"agent/kernel"}, false,
		"only agent/kernel runs iptables"},
	{[]string{"dockwall/rules/backend/nftables"}, []string{"agent/kernel", "rules/ruletest", "test"}, true,
		"only the code that runs plans knows a backend; all other packages work with the contract, rules/backend"},
	{[]string{"dockwall/rules/nft"}, []string{"rules/backend/nftables", "rules/plan", "rules/ruletest", "agent/kernel"}, true,
		"statements are for those who write and run them"},
	{[]string{"dockwall/rules/backend/iptables"}, []string{"agent/kernel", "rules/ruletest", "test"}, true,
		"only the code that runs plans knows a backend; all other packages work with the contract, rules/backend"},
	{[]string{"github.com/spf13/cobra"}, []string{"agent/cli", "packaging"}, true,
		"verbs are agentctl's, and packages are made of their help"},
	{[]string{"github.com/coreos/go-systemd/v22/daemon"}, []string{"agent/daemon"}, false,
		"only the daemon talks to systemd; its parts do not know about it"},
	{[]string{"github.com/coreos/go-systemd/v22/unit"}, []string{"netinfo/hostnet", "agent/sandbox"}, false,
		"units say which sockets systemd hands over to dockerd, and what dockwall.service may read"},
	{[]string{"github.com/hashicorp/go-hclog"}, []string{"agent", "netinfo/docker"}, true,
		"logging is the agent's; netinfo/docker is handed a logger, for a connection that is lost and found again changes no fact"},
	{[]string{"pgregory.net/rapid"}, []string{"rules/ruletest", "rules/policy/policytest", "test"}, true,
		"random values belong in tests and in the generators made for them"},
	{[]string{"github.com/santhosh-tekuri/jsonschema"}, nil, true,
		"documents are compared with their schemas in tests only"},
	{[]string{"testing"}, []string{"test"}, true,
		"what ships has no testing in it"},
	{[]string{"dockwall/rules/ruletest", "dockwall/rules/policy/policytest", "dockwall/netinfo/docker/dockertest", "dockwall/test"},
		[]string{"rules/ruletest", "rules/policy/policytest", "netinfo/docker/dockertest", "test"}, true,
		"fakes and generators are for tests only"},
	{[]string{"dockwall/agent/cli"}, []string{"agent/cmd/agentctl", "agent/cli", "packaging"}, true,
		"nothing is built on top of the tool"},
	{[]string{"dockwall/agent/kernel"}, []string{"agent/cli/system", "agent/daemon", "test"}, true,
		"the loop is given a kernel by its own small interface, so that it runs on the fake one"},
}

// TestKeepers holds every import that is for a few to those few. One that has
// no importer at all is a rule that cannot fail.
func TestKeepers(t *testing.T) {
	files := sources(t)
	for _, k := range keepers {
		used := false
		for _, f := range files {
			path, ok := f.importOf(k.imports...)
			if !ok || under(strings.TrimPrefix(path, "dockwall/"), f.dir) {
				continue
			}
			switch {
			case under(f.dir, k.keepers...), k.tests && f.test:
				used = true
			default:
				t.Errorf("%s imports %s; only %s may: %s", f.path, path, strings.Join(k.keepers, ", "), k.why)
			}
		}
		if !used {
			t.Errorf("no package imports %s any more: this rule guards nothing", strings.Join(k.imports, ", "))
		}
	}
}

// fanOuts are how many packages of dockwall a package may import.
var fanOuts = []struct {
	dir string
	max int
}{
	{"agent/daemon", 14},
	{"agent/cmd/agentd", 1},
	{"agent/cli", 12},
}

// TestFanOut keeps the wiring from growing into the packages that it wires.
func TestFanOut(t *testing.T) {
	files := sources(t)
	for _, f := range fanOuts {
		imported := map[string]bool{}
		for _, s := range files {
			if s.dir != f.dir || s.test {
				continue
			}
			for _, path := range s.imports {
				imported[path] = strings.HasPrefix(path, "dockwall/")
			}
		}
		maps.DeleteFunc(imported, func(_ string, own bool) bool { return !own })
		if n := len(imported); n == 0 || n > f.max {
			t.Errorf("%s imports %d packages of dockwall, want 1 to %d: %v", f.dir, n, f.max, slices.Sorted(maps.Keys(imported)))
		}
	}
}

// layer is a directory and what it may not know.
type layer struct {
	dir     string
	forbids []string
	why     string
}

var layers = []layer{
	{"netinfo", []string{"dockwall/rules", "dockwall/agent"}, "facts are there before anybody makes something of them"},
	{"rules", []string{"dockwall/agent", "dockwall/netinfo/docker", "dockwall/netinfo/hostnet"},
		"the core is a function of values: where those come from it does not know"},
	{"rules/policy", []string{"dockwall/rules/compile", "dockwall/rules/backend/iptables", "dockwall/rules/trace"},
		"the meaning of a policy is what the compiler is tested against, so it cannot be built on it"},
	{"rules/compile", []string{"dockwall/rules/backend/iptables", "dockwall/rules/trace"},
		"the compiler makes a ruleset of any backend"},
	{"rules/trace", []string{"dockwall/rules/compile", "dockwall/rules/backend/iptables"},
		"the walk of a packet is what the compiler and the backends are tested with"},
	{"rules/published", []string{"dockwall/rules"},
		"which container answers at an address is a question about facts alone"},
	{"rules/finding", []string{"dockwall/rules/policy", "dockwall/rules/compile", "dockwall/rules/trace", "dockwall/rules/backend"},
		"the vocabulary of findings is there before anything is found"},
	{"rules/audit", []string{"dockwall/rules/policy", "dockwall/rules/compile", "dockwall/rules/trace", "dockwall/rules/backend"},
		"the audit judges settings of the host, not rules"},
	{"rules/explain", []string{"dockwall/rules/compile", "dockwall/rules/backend", "dockwall/rules/plan"},
		"a question is asked of the ruleset that it is given"},
	{"rules/picture", []string{"dockwall/rules/compile", "dockwall/rules/backend/iptables", "dockwall/rules/plan"},
		"what is open in a picture is asked of the ruleset that it is given"},
	{"rules/picture/draw", []string{"dockwall/netinfo", "dockwall/rules/policy", "dockwall/rules/trace"},
		"a drawing shows what the picture says, and asks nothing"},
	{"agent/config", []string{"dockwall/rules/compile", "dockwall/rules/backend/iptables", "dockwall/agent"},
		"reading the file is not acting on it"},
	{"agent/reconcile", []string{"dockwall/agent/control", "dockwall/agent/facts", "dockwall/netinfo/docker", "dockwall/netinfo/hostnet"},
		"the loop is told of facts and kernels by interfaces of its own"},
	{"agent/enforce", []string{"dockwall/agent/reconcile", "dockwall/agent/control", "dockwall/agent/facts", "dockwall/agent/cli", "dockwall/netinfo/docker", "dockwall/netinfo/hostnet"},
		"the way to enforce a policy depends on neither who asks for it nor where facts come from"},
	{"agent/control", []string{"dockwall/agent/reconcile", "dockwall/agent/facts", "dockwall/agent/cli"},
		"the socket serves what it is given"},
}

// TestLayers holds the arrows of the architecture to one way.
func TestLayers(t *testing.T) {
	files := sources(t)
	for _, l := range layers {
		seen := false
		for _, f := range files {
			if f.test || !under(f.dir, l.dir) {
				continue
			}
			seen = true
			for _, path := range f.imports {
				if under(path, l.forbids...) && !under(strings.TrimPrefix(path, "dockwall/"), l.dir) {
					t.Errorf("%s imports %s: %s", f.path, path, l.why)
				}
			}
		}
		if !seen {
			t.Errorf("there is nothing in %s: this rule guards nothing", l.dir)
		}
	}
}

// pure are the packages that rules/ may import beside its own: none of them
// reads, writes, waits or keeps time.
var pure = []string{
	"bytes", "cmp", "crypto/sha256", "encoding", "errors", "fmt", "hash", "io", "iter", "maps", "math", "net/netip",
	"reflect", "regexp", "slices", "sort", "strconv", "strings", "text/tabwriter", "unicode",
	"go4.org/netipx", "github.com/gaissmai/bart", "dockwall/netinfo", "dockwall/rules",
}

// TestRulesArePure holds the core to functions of values. Of net it may use
// what parses, of time the durations, and of math nothing random.
func TestRulesArePure(t *testing.T) {
	seen := 0
	for _, f := range sources(t) {
		if f.test || !under(f.dir, "rules") || under(f.dir, "rules/ruletest", "rules/policy/policytest") {
			continue
		}
		seen++
		for _, path := range f.imports {
			switch path {
			case "net":
				f.usesOnly(t, path, "ParseMAC")
				continue
			case "time":
				f.usesOnly(t, path, "Duration", "Second", "Millisecond")
				continue
			}
			if !under(path, pure...) || path == "io/fs" || path == "io/ioutil" || under(path, "math/rand") {
				t.Errorf("%s imports %s: rules/ does no I/O, keeps no time and draws no lots, "+
					"so that diff and explain work anywhere and every test can be repeated", f.path, path)
			}
		}
	}
	if seen == 0 {
		t.Error("there is nothing in rules: this rule guards nothing")
	}
}

// TestFactsAreStandardLibrary holds the facts to values that anybody can read.
func TestFactsAreStandardLibrary(t *testing.T) {
	seen := 0
	for _, f := range sources(t) {
		if f.test || f.dir != "netinfo" && f.dir != "netinfo/inventory" {
			continue
		}
		seen++
		for _, path := range f.imports {
			if first, _, _ := strings.Cut(path, "/"); strings.Contains(first, ".") || first == "dockwall" || path == "os" || path == "net" {
				t.Errorf("%s imports %s: netinfo is plain values of the standard library", f.path, path)
			}
		}
	}
	if seen == 0 {
		t.Error("there is nothing in netinfo: this rule guards nothing")
	}
}

// source is one Go file.
type source struct {
	path, dir string // from the repository's root
	test      bool
	imports   []string
}

// sources are all Go files of this module.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	for _, path := range files(t) {
		if filepath.Ext(path) != ".go" || anotherModule(path) {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, path), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatalf("reading imports: %v", err)
		}
		f := source{path: path, dir: filepath.ToSlash(filepath.Dir(path)), test: strings.HasSuffix(path, "_test.go")}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatalf("reading imports of %s: %v", path, err)
			}
			f.imports = append(f.imports, name)
		}
		all = append(all, f)
	}
	return all
}

// anotherModule reports whether the file is of a module of tools.
func anotherModule(path string) bool { return under(filepath.ToSlash(path), "packaging/tools") }

// importOf is the first of the file's imports that is one of the paths or
// below one.
func (f source) importOf(paths ...string) (string, bool) {
	i := slices.IndexFunc(f.imports, func(path string) bool { return under(path, paths...) })
	if i < 0 {
		return "", false
	}
	return f.imports[i], true
}

// usesOnly allows a file of rules/ only the names of the package that do no I/O and
// keep no time.
func (f source) usesOnly(t *testing.T, pkg string, names ...string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, f.path), nil, 0)
	if err != nil {
		t.Fatalf("reading %s: %v", f.path, err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := s.X.(*ast.Ident); ok && x.Name == pkg && !slices.Contains(names, s.Sel.Name) {
			t.Errorf("%s uses %s.%s: nothing in rules/ asks the network or keeps time", f.path, pkg, s.Sel.Name)
		}
		return true
	})
}

// under reports whether a path is one of the directories or below one.
func under(path string, dirs ...string) bool {
	return slices.ContainsFunc(dirs, func(dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") })
}

// root is the repository's, from here.
const root = ".."

// files are the paths of all files of the repository, except what is built or
// fetched.
func files(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if entry.IsDir() && slices.Contains([]string{".git", ".cache", "bin", "dist"}, name) {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() {
			all = append(all, name)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("listing the repository: %v", err)
	}
	return all
}
