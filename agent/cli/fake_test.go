package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"dockwall/agent/cli"
	"dockwall/agent/cli/ask"
	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/netinfo"
	"dockwall/rules/backend"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
	"dockwall/rules/ruletest"
)

// machine is a pretended host: its facts, and ruletest's kernel.
type machine struct {
	kernel   *ruletest.Kernel
	snapshot netinfo.Snapshot
	// saved are the facts that agentd saved.
	saved netinfo.Snapshot
	// meddle is called before each run, as another program that writes.
	meddle func(run int) error
	runs   int
	// disturbed: somebody else wrote after each run, so all is read again.
	disturbed bool
	others    int
	// bridged is what switching bridged traffic into the firewall comes to.
	bridged  error
	bridgeNF int
	// waiting are the trials for which a process was started, as path and ID.
	waiting  [][2]string
	awaitErr error
}

func newMachine() *machine {
	s := netinfo.Snapshot{
		Engine:   netinfo.Engine{Connected: true, Known: true, Version: "28.5.2"},
		Links:    []netinfo.Link{{Index: 1, Name: "lo"}, {Index: 2, Name: "eth0"}, {Index: 3, Name: "docker0", Kind: "bridge"}},
		Networks: []netinfo.Network{{ID: "n1", Name: "bridge", Driver: "bridge", Bridge: "docker0", Mode4: netinfo.GatewayNAT, Mode6: netinfo.GatewayNAT}},
		Containers: []netinfo.Container{{ID: "c1", Name: "web", State: "running",
			Endpoints: []netinfo.Endpoint{{ID: "e1", NetworkID: "n1", Addrs: []netip.Addr{netip.MustParseAddr("172.17.0.2")}}},
			Ports:     []netinfo.PublishedPort{{HostPort: 8080, HostPortEnd: 8080, Proto: netinfo.TCP, ContainerPort: 80}}}},
	}
	s.Normalize()
	return &machine{kernel: ruletest.NewKernel(iptables.NFT), snapshot: s}
}

func (m *machine) Choose(_ context.Context, w backend.Wish) (backend.Backend, error) {
	if w.Backend == "nftables" {
		return nil, errors.New("nftables is not there")
	}
	return m.Assumed(w), nil
}

func (m *machine) Assumed(w backend.Wish) backend.Backend {
	v := iptables.NFT
	if w.Backend == "iptables-legacy" {
		v = iptables.Legacy
	}
	return iptables.New(iptables.Options{Variant: v, Inline: w.Sets == "inline", Guard: true})
}

func (m *machine) Observe(context.Context, backend.Backend) (backend.State, error) {
	return m.kernel.State()
}

func (m *machine) Holds(context.Context, backend.State) (bool, error) { return !m.disturbed, nil }

func (m *machine) Run(_ context.Context, p plan.Plan) error {
	m.runs++
	if m.meddle != nil {
		if err := m.meddle(m.runs); err != nil {
			return err
		}
	}
	for _, steps := range [][]plan.Step{p.Prepare, p.Checks, p.Steps, p.Cleanup} {
		if err := m.kernel.RunAll(steps); err != nil {
			return err
		}
	}
	return nil
}

func (m *machine) Probe(context.Context, backend.State, bool) (bool, error) { return false, nil }

func (m *machine) RemoveOther(context.Context, string) error {
	m.others++
	return nil
}

func (m *machine) RemoveAll(ctx context.Context) (bool, error) {
	st, err := m.kernel.State()
	if err != nil {
		return false, err
	}
	p := iptables.Remove(st)
	return !p.Empty(), m.Run(ctx, p)
}

// Show counts how often bridged traffic was asked for.
func (m *machine) Show(isolated func(string) bool) error {
	if isolated == nil {
		return nil
	}
	m.bridgeNF++
	return m.bridged
}

// Settle leaves the bridges as they are.
func (m *machine) Settle() error { return nil }

// TakeBack switches the bridges back.
func (m *machine) TakeBack() (bool, error) {
	changed := m.bridgeNF > 0
	m.bridgeNF = 0
	return changed, m.bridged
}

// save is everything in the kernel.
func (m *machine) save() string { return m.kernel.Save(4) + m.kernel.Save(6) + m.kernel.SaveSets() }

// command is one run of agentctl on the machine.
type command struct {
	env            ask.Env
	stdout, stderr bytes.Buffer
	vars           map[string]string
}

func newCommand(m *machine) *command {
	c := &command{vars: map[string]string{}}
	c.env = ask.Env{
		Stdin: bytes.NewReader(nil), Stdout: &c.stdout, Stderr: &c.stderr,
		Getenv:     func(name string) string { return c.vars[name] },
		IsTerminal: func(io.Writer) bool { return false },
		Now:        func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) },
		Version:    "test",
		Host: ask.Host{
			Facts: func(_ context.Context, _ config.Settings, _ time.Duration, progress func(int, int), _ hclog.Logger) (netinfo.Snapshot, error) {
				return m.snapshot, nil
			},
			Saved:   func(config.Settings, hclog.Logger) (netinfo.Snapshot, error) { return m.saved, nil },
			Kernel:  m,
			Bridges: func(string) ask.Bridges { return m },
			Clock:   trial.SystemClock(),
			// A process that never does anything; the tests run what it would.
			Await: func(path, id string) (trial.Process, error) {
				m.waiting = append(m.waiting, [2]string{path, id})
				return trial.Process{}, m.awaitErr
			},
			Session: func() string { return c.vars["SSH_CONNECTION"] },
		},
	}
	return c
}

// run runs it anew and returns the exit code.
func (c *command) run(t *testing.T, args ...string) int {
	t.Helper()
	c.stdout.Reset()
	c.stderr.Reset()
	return cli.Main(t.Context(), args, c.env)
}

// mustRun is run, for the exit code that is wanted.
func (c *command) mustRun(t *testing.T, want int, args ...string) {
	t.Helper()
	if code := c.run(t, args...); code != want {
		t.Fatalf("agentctl %v = %d, want %d\nstdout:\n%s\nstderr:\n%s", args, code, want, c.stdout.String(), c.stderr.String())
	}
}

// policyFrom lets this prefix, and another, reach the web container's port.
func policyFrom(prefix string) string {
	return `published "shop" {
  to   = [containers.web]
  from = ["` + prefix + `", "192.0.2.128/25"]
}
containers "web" {
  names = ["web"]
}
`
}

// writeConfig writes an agent.hcl whose socket is beside it.
func writeConfig(t *testing.T, policy string) (file, socket string) {
	t.Helper()
	dir := t.TempDir()
	file, socket = filepath.Join(dir, "agent.hcl"), filepath.Join(dir, "agent.sock")
	rewrite(t, file, policy, socket)
	return file, socket
}

func rewrite(t *testing.T, file, policy, socket string) {
	t.Helper()
	if err := os.WriteFile(file, []byte("control {\n  socket = \""+socket+"\"\n}\n"+policy), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startDaemon answers on the socket until the test ends, as agentd would.
func startDaemon(t *testing.T, socket string, status func() reconcile.Status, snapshot netinfo.Snapshot, reload func(), more ...control.Route) {
	t.Helper()
	s, err := control.Bind(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- control.NewServer(s, hclog.NewNullLogger(), append(more, control.StatusRoute(status),
			control.SnapshotRoute(func() netinfo.Snapshot { return snapshot }), control.ReloadRoute(reload))...).Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the daemon's socket: %v", err)
		}
	})
}
