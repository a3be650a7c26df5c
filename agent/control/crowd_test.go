package control_test

import (
	"net"
	"testing"

	"dockwall/agent/control"
)

// TestIdleConnectionsKeepNobodyOut opens more connections than there is room for, and
// sends nothing, or begins a request and reads nothing.
func TestIdleConnectionsKeepNobodyOut(t *testing.T) {
	path, stop := serve(t, control.StatusRoute(func() state { return state{State: "enforcing"} }))
	for i := range 400 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%4 == 0 {
			_, _ = c.Write([]byte("GET /v1/status HTTP/1.1\r\nHost: agentd\r\n\r\n"))
		}
	}
	var st state
	if err := control.NewClient(path).Status(t.Context(), &st); err != nil || st.State != "enforcing" {
		t.Errorf("status: %v, %v", st, err)
	}
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}
