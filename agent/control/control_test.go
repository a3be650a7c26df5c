package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"dockwall/agent/control"
	"dockwall/netinfo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type state struct {
	State      string `json:"state"`
	Generation uint64 `json:"generation"`
}

// serve runs a server with the routes until the test ends and returns the
// socket's path, and a function that stops it and returns Run's error.
func serve(t *testing.T, routes ...control.Route) (string, func() error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "run", "agent.sock")
	socket, err := control.Bind(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- control.NewServer(socket, hclog.NewNullLogger(), routes...).Run(ctx) }()
	var result error
	stopped := false
	stop := func() error {
		if !stopped {
			stopped = true
			cancel()
			result = <-done
		}
		return result
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return path, stop
}

func testSnapshot() netinfo.Snapshot {
	s := netinfo.Snapshot{
		Engine: netinfo.Engine{Connected: true, Known: true, Version: "28.5.2"},
		Links:  []netinfo.Link{{Index: 2, Name: "eth0", Up: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/24")}}},
	}
	s.Normalize()
	return s
}

func TestVerbs(t *testing.T) {
	reloads := make(chan struct{}, 1)
	path, _ := serve(t,
		control.StatusRoute(func() state { return state{"enforcing", 7} }),
		control.SnapshotRoute(testSnapshot),
		control.RulesRoute(func(family int) (string, error) {
			if family == 6 {
				return "", errors.New("nothing was compiled yet")
			}
			return "*filter\nCOMMIT\n", nil
		}),
		control.ReloadRoute(func() { reloads <- struct{}{} }))
	c := control.NewClient(path)

	var got state
	if err := c.Status(t.Context(), &got); err != nil {
		t.Fatal(err)
	}
	if want := (state{"enforcing", 7}); got != want {
		t.Errorf("Status = %+v, want %+v", got, want)
	}
	snapshot, err := c.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(testSnapshot(), snapshot, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("Snapshot (-want +got):\n%s", diff)
	}
	if text, err := c.Rules(t.Context(), 4); err != nil || text != "*filter\nCOMMIT\n" {
		t.Errorf("Rules(4) = %q, %v", text, err)
	}
	if _, err := c.Rules(t.Context(), 6); err == nil || err.Error() != "agentd refused: nothing was compiled yet" {
		t.Errorf("Rules(6): %v", err)
	}
	if _, err := c.Rules(t.Context(), 5); err == nil || !strings.Contains(err.Error(), "it may be 4 or 6") {
		t.Errorf("Rules(5): %v", err)
	}
	if err := c.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-reloads:
	default:
		t.Error("Reload did not reach the agent")
	}
}

func raw(t *testing.T, path, method, target string) (*http.Response, string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://agentd"+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func TestUnknownVerbIsJSON(t *testing.T) {
	path, _ := serve(t, control.ReloadRoute(func() { t.Error("a GET reloaded") }))
	for _, target := range []string{"/v1/nothing", "/v1/reload", "/"} {
		resp, body := raw(t, path, http.MethodGet, target)
		var f struct{ Error string }
		if err := json.Unmarshal([]byte(body), &f); err != nil || f.Error != "this agent has no GET "+target || resp.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %s %s", target, resp.Status, body)
		}
	}
}

func TestSnapshotIsCanonical(t *testing.T) {
	path, _ := serve(t, control.SnapshotRoute(testSnapshot))
	_, body := raw(t, path, http.MethodGet, "/v1/snapshot")
	var want strings.Builder
	s := testSnapshot()
	if err := s.WriteJSON(&want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStreamEndsWithTheAgent(t *testing.T) {
	begun := make(chan struct{})
	path, stop := serve(t, control.Route{Pattern: "GET /v1/stream", Stream: true, Handler: func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		close(begun)
		<-r.Context().Done()
		_, _ = io.WriteString(w, "last\n")
	}})
	got := make(chan string, 1)
	go func() {
		_, body := raw(t, path, http.MethodGet, "/v1/stream")
		got <- body
	}()
	<-begun
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if body := <-got; body != "first\nlast\n" {
		t.Errorf("the stream held %q", body)
	}
}

func TestClientErrors(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	leaveStale(t, stale)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ socket, want string }{
		{filepath.Join(dir, "none.sock"), "agentd is not running: no socket at " + filepath.Join(dir, "none.sock") + "; start it with systemctl start dockwall"},
		{filepath.Join(file, "agent.sock"), "agentd is not running: no socket at " + filepath.Join(file, "agent.sock") + "; start it with systemctl start dockwall"},
		{stale, "agentd is not running: no process answers on " + stale + "; start it with systemctl start dockwall"},
	}
	for _, tt := range tests {
		err := control.NewClient(tt.socket).Reload(t.Context())
		var not *control.NotRunning
		if !errors.As(err, &not) || err.Error() != tt.want {
			t.Errorf("Reload at %s:\n got %v\nwant %s", tt.socket, err, tt.want)
		}
	}
}

// Whatever answers on the socket, what it says moves no terminal's cursor.
func TestRefusalIsPrintable(t *testing.T) {
	path, _ := serve(t, control.RulesRoute(func(int) (string, error) { return "", errors.New("no\x1b[2J\nrules") }))
	if _, err := control.NewClient(path).Rules(t.Context(), 4); err == nil || err.Error() != "agentd refused: no [2J rules" {
		t.Errorf("Rules = %q", err)
	}
}

func TestClientGivesUpOnAStuckAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.sock")
	l, err := net.Listen("unix", path) // nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := control.NewClient(path).Reload(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not answer on "+path) {
		t.Errorf("Reload = %v", err)
	}
}
