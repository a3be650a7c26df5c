package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// binaries are the repository's own programs, built for the lab.
type binaries struct{ dir string }

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// sources of the programs that a lab may need.
func source(name string) string {
	if name == "responder" || name == "docker29" {
		return "./test/" + name
	}
	return "./agent/cmd/" + name
}

var (
	// building keeps the labs of one test process from each other's files.
	building sync.Mutex
	// built are the programs that this process has built. It takes the better part
	// of a second to find that nothing has changed.
	built = map[string]bool{}
)

// build makes programs, static, below .cache/lab, once in a test process. The
// rename keeps a program whole for another test process that builds or runs it at
// this moment.
func build(t testing.TB, repo string, names ...string) binaries {
	t.Helper()
	dir := filepath.Join(repo, ".cache", "lab")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatalf("building for the lab: %v", err)
	}
	building.Lock()
	defer building.Unlock()
	for _, name := range names {
		if built[name] {
			continue
		}
		temporary := filepath.Join(dir, fmt.Sprintf(".%s.%d", name, os.Getpid()))
		cmd := exec.Command("go", "build", "-o", temporary, source(name))
		cmd.Dir = repo
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
		if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
			t.Fatalf("building %s: %v", name, err)
		}
		built[name] = true
	}
	return binaries{dir: dir}
}
