package control

import (
	"context"
	"net/http"
)

// StatusRoute answers GET /v1/status with the JSON of what source returns.
func StatusRoute[T any](source func() T) Route {
	return Route{Pattern: "GET /v1/status", Handler: func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, source())
	}}
}

// Status reads the agent's state into the value that into points to.
func (c *Client) Status(ctx context.Context, into any) error {
	return c.readJSON(ctx, "/v1/status", into)
}
