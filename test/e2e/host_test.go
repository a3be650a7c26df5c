package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"dockwall/test/lab"
	"dockwall/test/scenario"
)

// stage lends a lab the test that runs just now: a lab that is shared by
// several subtests must fail the one that uses it.
type stage struct {
	testing.TB
	// kept are the clean-ups of the lab itself, which outlives subtests.
	kept    []func()
	keeping bool
	failed  bool
}

// Failed reports whether something failed since the lab was made: the test that takes
// it down has failed as soon as one of many has, on whatever lab.
func (s *stage) Failed() bool { return s.failed }

// Errorf reports a failure.
func (s *stage) Errorf(format string, args ...any) {
	s.Helper()
	s.note(fmt.Sprintf(format, args...))
	s.TB.Errorf(format, args...)
}

// Fatalf reports a failure and ends the test.
func (s *stage) Fatalf(format string, args ...any) {
	s.Helper()
	s.note(fmt.Sprintf(format, args...))
	s.TB.Fatalf(format, args...)
}

// Error is Errorf without a format.
func (s *stage) Error(args ...any) {
	s.Helper()
	s.Errorf("%s", fmt.Sprint(args...))
}

// Fatal is Fatalf without a format.
func (s *stage) Fatal(args ...any) {
	s.Helper()
	s.Fatalf("%s", fmt.Sprint(args...))
}

func (s *stage) note(failure string) {
	s.failed = true
	failures.Lock()
	defer failures.Unlock()
	failures.said = append(failures.said, s.Name()+": "+failure)
}

// failures are those of all stages.
var failures struct {
	sync.Mutex
	said []string
}

// TestMain says once more what failed: what is dumped after a failure is so long
// that whoever shortens the output cuts the reason out.
func TestMain(m *testing.M) {
	code := m.Run()
	for _, f := range failures.said {
		fmt.Println("failed:", f)
	}
	os.Exit(code)
}

// Cleanup keeps the lab's own clean-ups for close.
func (s *stage) Cleanup(f func()) {
	if s.keeping {
		s.kept = append(s.kept, f)
		return
	}
	s.TB.Cleanup(f)
}

// host is a lab that scenarios are played on, one after the other.
type host struct {
	*lab.Lab
	stage  *stage
	engine string
	// fresh is the rules of everybody as they were when the lab was made.
	fresh string
	// dirty: a scenario that failed left something; the next needs another host.
	dirty bool
}

// newHost makes a lab; close takes it down.
func newHost(t testing.TB, engine, backend string, of scenario.Host) *host {
	t.Helper()
	s := &stage{TB: t, keeping: true}
	h := &host{stage: s, engine: engine}
	defer func() {
		if h.Lab == nil {
			h.close(t) // it ended the test half made
		}
	}()
	options := lab.Options{
		Engine: engine, Variant: of.Variant, Backend: backend, NoForwarding: of.DockerForwards, NoDocker: of.DockerLater,
		Args: strings.Fields(of.Dockerd), Env: strings.Fields(of.Env), Docker29: of.Docker29,
	}
	l := lab.New(s, options)
	for _, client := range []string{"wan", "wan2", "lan"} {
		l.Client(client).Serve(client, "tcp:7000,udp:7000")
	}
	l.Client("host").Serve("host", "tcp:7000,udp:7000,tcp:2375")
	s.keeping = false
	h.fresh = l.Save()
	h.Lab = l
	return h
}

// lend makes t the test that the lab fails.
func (h *host) lend(t testing.TB) { h.stage.TB = t }

// close takes the lab down.
func (h *host) close(t testing.TB) {
	h.lend(t)
	for i := len(h.stage.kept) - 1; i >= 0; i-- {
		h.stage.kept[i]()
	}
}

// clean leaves the host as newHost made it, and fails where that cannot be.
func (h *host) clean(agent *lab.Agent) {
	h.stage.Helper()
	if agent != nil && agent.Running() {
		agent.Stop()
	}
	if _, _, code := h.TryHost("sh", "-c", "test -S /run/docker.sock && docker version >/dev/null"); code == 0 {
		h.cleanDocker()
	}
	if h.tool() {
		if _, stderr, code := h.Agentctl("remove"); code != 0 {
			h.stage.Errorf("cleaning up: agentctl remove: exit code %d: %s", code, stderr)
		}
	}
	h.TryHost("conntrack", "-F")
	h.cleanFiles()
	if left := lab.Traces(h.Save()); left != "" {
		h.stage.Errorf("agentctl remove left:\n%s", left)
	}
}

// cleanFiles removes the agent's files, of all that it reads or remembers.
func (h *host) cleanFiles() {
	h.stage.Helper()
	of, err := filepath.Glob(filepath.Join(filepath.Dir(h.ConfigPath()), "*"))
	if err != nil {
		h.stage.Fatal(err)
	}
	of = slices.DeleteFunc(of, func(path string) bool {
		return filepath.Base(path) == "daemon.json" || filepath.Base(path) == "containerd.toml"
	})
	for _, path := range append(of, filepath.Join(h.Dir(), "run", "dockwall"), filepath.Join(h.Dir(), "lib", "dockwall")) {
		if err := os.RemoveAll(path); err != nil {
			h.stage.Errorf("cleaning up: %v", err)
		}
	}
}

// tool reports whether there is a file that agentctl could read: without one
// nothing was ever applied.
func (h *host) tool() bool {
	_, err := os.Stat(h.ConfigPath())
	return err == nil
}

func (h *host) cleanDocker() {
	h.stage.Helper()
	if ids := strings.Fields(h.Docker("ps", "-aq")); len(ids) > 0 {
		h.Docker(append([]string{"rm", "--force", "--volumes"}, ids...)...)
	}
	h.Docker("network", "prune", "--force")
	if left := h.Docker("network", "ls", "--quiet", "--filter", "type=custom"); left != "" {
		h.stage.Errorf("cleaning up: these networks are left:\n%s", left)
	}
}
