package daemon

import (
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"

	"dockwall/agent/reconcile"
	"dockwall/rules/finding"
)

// manager listens as systemd does, and returns what it was told so far.
func manager(t *testing.T) func() []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() []string {
		var told []string
		for b := make([]byte, 4096); ; {
			// What was sent is in the queue already.
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			n, err := conn.Read(b)
			if err != nil {
				return told
			}
			told = append(told, string(b[:n]))
		}
	}
}

func TestPassesAreSignsOfLife(t *testing.T) {
	told := manager(t)
	s := &systemd{log: hclog.NewNullLogger(), watchdog: time.Minute}
	st := reconcile.Status{State: reconcile.Enforcing, Containers: 2, Generation: 3}
	s.Passed(reconcile.Pass{}, st)
	s.Passed(reconcile.Pass{}, st)
	st.State, st.Reasons = reconcile.Degraded, []finding.Finding{{Code: "docker_away", Message: "gone"}}
	s.Passed(reconcile.Pass{}, st)
	want := []string{"STATUS=enforcing; 2 containers; generation 3", "WATCHDOG=1", "WATCHDOG=1",
		"STATUS=degraded; 2 containers; generation 3; docker_away", "WATCHDOG=1"}
	if diff := cmp.Diff(want, told()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoWatchdogNoPings(t *testing.T) {
	told := manager(t)
	(&systemd{log: hclog.NewNullLogger()}).Passed(reconcile.Pass{}, reconcile.Status{State: reconcile.Starting})
	if diff := cmp.Diff([]string{"STATUS=starting; 0 containers; generation 0"}, told()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
