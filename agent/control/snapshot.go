package control

import (
	"context"
	"fmt"
	"net/http"

	"dockwall/netinfo"
)

// SnapshotRoute answers GET /v1/snapshot with the canonical JSON of the facts
// that the agent goes by.
func SnapshotRoute(source func() netinfo.Snapshot) Route {
	return Route{Pattern: "GET /v1/snapshot", Handler: func(w http.ResponseWriter, _ *http.Request) {
		s := source()
		w.Header().Set("Content-Type", "application/json")
		_ = s.WriteJSON(w) // the client may be gone
	}}
}

// Snapshot reads the facts that the agent goes by.
func (c *Client) Snapshot(ctx context.Context) (netinfo.Snapshot, error) {
	body, err := c.do(ctx, http.MethodGet, "/v1/snapshot")
	if err != nil {
		return netinfo.Snapshot{}, err
	}
	defer body.Close()
	s, err := netinfo.ReadJSON(body)
	if err != nil {
		return netinfo.Snapshot{}, fmt.Errorf("asking agentd for its facts: %w", err)
	}
	return s, nil
}
