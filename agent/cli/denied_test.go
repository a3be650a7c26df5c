package cli_test

import (
	"context"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/rogpeppe/go-internal/testscript"

	"dockwall/agent/control"
	"dockwall/agent/denied"
)

// refused are what the pretended agent has seen: hostile text, a loss and ICMP
// included.
func refused() []denied.Line {
	at := time.Date(2026, 11, 23, 9, 30, 0, 42e6, time.UTC)
	echo := uint8(8)
	return []denied.Line{
		{Packet: denied.Packet{Time: at, NIC: "eth0", Out: "docker0", Source: netip.MustParseAddr("203.0.113.9"), SourcePort: 40001,
			Destination: netip.MustParseAddr("172.17.0.2"), Port: 80, Container: "shop-web-1", Protocol: "tcp", Policy: "published.shop", Position: "agent.hcl:31"}},
		{Lost: 3},
		{Packet: denied.Packet{Time: at.Add(time.Second), NIC: "docker0", Out: "eth0", Source: netip.MustParseAddr("172.17.0.3"), SourceContainer: "db\x1b[2J",
			Destination: netip.MustParseAddr("2001:db8::1"), Protocol: "icmp", ICMPType: &echo, Policy: "egress.mirror"}},
		{Packet: denied.Packet{Time: at.Add(2 * time.Second), NIC: "eth1", Source: netip.MustParseAddr("203.0.113.9"),
			Destination: netip.MustParseAddr("192.0.2.1"), Protocol: "47", Policy: "defaults.published"}},
	}
}

// TestDenied runs agentctl denied beside a pretended agent, whose socket is
// agent.sock, and which writes down what it is asked.
func TestDenied(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/denied",
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			e.Setenv("TZ", "UTC")
			return pretend(e)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits},
	})
}

// pretend serves the feed until the script ends. Asked for more than the past
// it ends by itself, as an agent that is stopped does.
func pretend(e *testscript.Env) error {
	socket, err := control.Bind(filepath.Join(e.WorkDir, "agent.sock"))
	if err != nil {
		return err
	}
	follow := func(_ context.Context, q control.DeniedQuery) iter.Seq[denied.Line] {
		asked := fmt.Sprintf("lines %d container %q", q.Lines, q.Container)
		if !q.Since.IsZero() {
			asked += " since " + time.Since(q.Since).Round(time.Minute).String()
		}
		if err := os.WriteFile(filepath.Join(e.WorkDir, "asked"), []byte(asked+"\n"), 0o600); err != nil {
			e.T().Log(err)
		}
		return func(yield func(denied.Line) bool) {
			for _, l := range refused() {
				if !yield(l) {
					return
				}
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- control.NewServer(socket, hclog.NewNullLogger(), control.DeniedRoute(follow)).Run(ctx) }()
	e.Defer(func() {
		cancel()
		if err := <-done; err != nil {
			e.T().Log(err)
		}
	})
	return nil
}
