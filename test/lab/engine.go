package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// DefaultEngine is the one that every machine with apt can have.
const DefaultEngine = "20.10"

// Engines lists the engines that are there to be tested, sorted by name; the
// default one is always among them.
func Engines(t testing.TB) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(repository(t), ".cache", "engines", "[0-9]*", "bin", "dockerd"))
	if err != nil {
		t.Fatalf("listing engines: %v", err)
	}
	names := []string{DefaultEngine}
	for _, path := range found {
		names = append(names, filepath.Base(filepath.Dir(filepath.Dir(path))))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// engineDir is the directory of an engine's programs. The default engine is
// fetched when it is missing; the others are asked for by `make engines`.
func engineDir(t testing.TB, repo, engine string) string {
	t.Helper()
	dir := filepath.Join(repo, ".cache", "engines", engine, "bin")
	if _, err := os.Stat(filepath.Join(dir, "dockerd")); err == nil {
		return dir
	}
	if engine != DefaultEngine {
		missing(t, "Docker engine "+engine+" is not in .cache/engines; `make engines` fetches it")
	}
	script := filepath.Join(repo, "test", "engines.sh")
	t.Logf("running %s %s", script, engine)
	if out, err := exec.Command(script, engine).CombinedOutput(); err != nil {
		t.Fatalf("fetching Docker engine %s: %v\n%s", engine, err, out)
	}
	return dir
}
