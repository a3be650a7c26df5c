package lab

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Options say what kind of host to make. The zero value is one with Docker
// 20.10 on iptables-nft, forwarding already on.
type Options struct {
	// Engine is a directory below .cache/engines, such as "28.5".
	Engine string
	// Args are further arguments of dockerd, such as "--live-restore".
	Args []string
	// Env are further environment variables of dockerd, as KEY=VALUE.
	Env []string
	// Variant is what `iptables` means on the host: "nft" or "legacy".
	Variant string
	// Docker29 has the engine run as a double of Docker 29 with its nftables backend
	// (test/docker29).
	Docker29 bool
	// Backend is firewall.backend in agent's files that name none; empty leaves them as they
	// are.
	Backend string
	// NoDocker leaves dockerd unstarted; StartDockerd starts it.
	NoDocker bool
	// NoForwarding leaves ip_forward off, as on a fresh host, so that it is
	// Docker that turns it on and then sets FORWARD's policy to DROP. With
	// forwarding on beforehand the policy stays ACCEPT, which leaks the most.
	NoForwarding bool
	// NoUnified hides cgroup v2 from the host, as on one that boots with cgroup v1 alone.
	NoUnified bool
	// AgentFiles is how many descriptors agentd may have open; as many as the test if 0.
	AgentFiles int
	// AgentCaps are the only capabilities that agentd has, as setpriv names them; all if
	// empty.
	AgentCaps []string
}

// Lab is one throwaway host and its clients.
type Lab struct {
	t       testing.TB
	options Options
	id      string // "dwt-<pid>-<n>", first part of every name
	dir     string // everything the lab keeps on disk
	repo    string
	engine  string // directory of the engine's programs
	bin     binaries
	init    *process // pid 1 of the host
	started started
	docker  *daemons
	agents  []*Agent
}

// New makes a lab and has it taken down when the test ends. Without root it
// skips the test, or fails it where CI is set.
func New(t testing.TB, options Options) *Lab {
	t.Helper()
	needRoot(t)
	if options.Engine == "" {
		options.Engine = DefaultEngine
	}
	if options.Variant == "" {
		options.Variant = "nft"
	}
	l := &Lab{t: t, options: options, repo: repository(t)}
	l.engine = engineDir(t, l.repo, options.Engine)
	l.bin = build(t, l.repo, "responder")
	if options.Docker29 {
		build(t, l.repo, "docker29")
	}
	sweep(t)
	l.makeDir()
	t.Cleanup(l.tearDown)
	l.makeNetwork()
	l.startHost()
	if !options.NoDocker {
		l.StartDockerd()
	}
	l.settle()
	return l
}

// ID begins every name the lab gives outside itself.
func (l *Lab) ID() string { return l.id }

// Dir is where the lab keeps its files. The host's /run is "run" in it, its
// /var/lib is "lib".
func (l *Lab) Dir() string { return l.dir }

// NamespacePath is the network namespace of "host", "wan", "wan2" or "lan".
func (l *Lab) NamespacePath(name string) string { return filepath.Join(netnsDir, l.id+"-"+name) }

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	missing(t, "a lab needs root, for network namespaces and dockerd")
}

// missing skips the test where something it needs is not there, but fails it
// in CI, where a skipped test would go unnoticed.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// makeDir claims an id by making its directory: short, because the paths of
// unix sockets may have 107 characters only.
func (l *Lab) makeDir() {
	l.t.Helper()
	for n := 1; ; n++ {
		l.id = fmt.Sprintf("%s%d-%d", prefix, os.Getpid(), n)
		l.dir = filepath.Join(os.TempDir(), l.id)
		err := os.Mkdir(l.dir, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			l.t.Fatalf("making the lab's directory: %v", err)
		}
		break
	}
	for _, name := range []string{"run", "run/lock", "run/containerd", "lib", "bin", "etc", "cgroup", "client"} {
		if err := os.Mkdir(filepath.Join(l.dir, name), 0o755); err != nil {
			l.t.Fatalf("making the lab's directory: %v", err)
		}
	}
	l.linkVariant(l.options.Variant)
}

// repository is the directory of go.mod, above the package under test.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("finding the repository: %v", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("finding the repository: no go.mod above the working directory")
		}
		dir = up
	}
}

// tearDown ends every process and removes every name of the lab. What it
// cannot remove fails the test, so that leftovers are not found by the next.
func (l *Lab) tearDown() {
	if l.t.Failed() {
		l.dump()
	}
	if l.init != nil {
		l.init.end()
	}
	l.started.resume()
	for _, err := range remove(l.id) {
		l.t.Errorf("taking down the lab: %v", err)
	}
}
